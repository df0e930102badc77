;; On a message that begins with '!' it logs "begun" and loops for ever. Answers done, with the number
;; of its calls as retry-after.
(module
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "begun")
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (call $log (i32.const 1) (i32.const 16) (i32.const 5))
        (loop $again (br $again))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
