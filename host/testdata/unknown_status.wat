;; On a message that begins with '!' it answers with a status that the contract does not have. Answers
;; done, with the number of its calls as retry-after.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (return (i64.const 0x700000000))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
