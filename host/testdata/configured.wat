;; Answers done, with the length of its configuration as retry-after.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $len (mut i64) (i64.const 0))
  (func (export "sgs_configure") (param $ptr i32) (param $len i32) (result i32)
    (global.set $len (i64.extend_i32_u (local.get $len)))
    i32.const 0)
  (func (export "sgs_handle") (param i32 i32) (result i64) global.get $len))
