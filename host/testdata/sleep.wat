;; On a message that begins with '!' it sleeps for an hour, through poll_oneoff. Answers done, with the
;; number of its calls as retry-after.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        ;; A subscription to the clock (type 0) at 512: 3.6e12 ns, relative.
        (i32.store8 (i32.const 520) (i32.const 0))
        (i64.store (i32.const 536) (i64.const 3600000000000))
        (drop (call $poll_oneoff (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 700)))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
