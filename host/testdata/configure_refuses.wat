;; Refuses every configuration that is not {}, and says why. Answers done, with the number of its calls
;; as retry-after.
(module
  (import "sgs_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "room is not a name")
  (func (export "sgs_configure") (param $ptr i32) (param $len i32) (result i32)
    (if (i32.eq (local.get $len) (i32.const 2)) (then (return (i32.const 0))))
    (call $fail (i32.const 16) (i32.const 18))
    i32.const 3)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
