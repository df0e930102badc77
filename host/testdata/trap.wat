;; On a message that begins with '!' it says why and traps. Answers done, with the number of its calls
;; as retry-after.
(module
  (import "sgs_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "my reason")
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (call $fail (i32.const 16) (i32.const 9))
        unreachable))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
