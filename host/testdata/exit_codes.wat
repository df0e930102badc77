;; Calls proc_exit with a code that means something else elsewhere: on '0' success, on 'c' and 'd' the engine's own codes of
;; a context that was cancelled, and of one whose deadline has passed. On all else it answers done, with the number of its
;; calls as retry-after.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $c i32)
    (local.set $c (i32.load8_u (local.get $ptr)))
    (if (i32.eq (local.get $c) (i32.const 48)) (then (call $proc_exit (i32.const 0))))
    (if (i32.eq (local.get $c) (i32.const 99)) (then (call $proc_exit (i32.const 0xffffffff))))
    (if (i32.eq (local.get $c) (i32.const 100)) (then (call $proc_exit (i32.const 0xefffffff))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
