;; Logs "stopped" in sgs_stop. Answers done, with the number of its calls as retry-after.
(module
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "stopped")
  (func (export "sgs_stop") (call $log (i32.const 1) (i32.const 16) (i32.const 7)))
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
