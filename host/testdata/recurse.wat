;; Calls itself twice, and twice again, without a loop: it would end after 2^60 calls.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func $twice (param $depth i32) (result i32)
    (if (result i32) (i32.eqz (local.get $depth))
      (then (i32.const 1))
      (else (i32.add
        (call $twice (i32.sub (local.get $depth) (i32.const 1)))
        (call $twice (i32.sub (local.get $depth) (i32.const 1)))))))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (i64.extend_i32_u (call $twice (i32.const 60)))))
