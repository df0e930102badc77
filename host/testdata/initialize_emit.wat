;; Emits in _initialize, and traps unless that is denied (-2). Answers done, with the number of its
;; calls as retry-after.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "p\nx")
  (func (export "_initialize")
    (if (i32.ne (call $emit (i32.const 16) (i32.const 3)) (i32.const -2)) (then unreachable)))
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
