;; Waits for standard input and, up to an hour, for the clock, with a thousand subscriptions to each. Answers done.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (local $at i32) (local $n i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (i32.store8 offset=8 (local.get $at) (i32.const 0)) ;; the clock, 3.6e12 ns from now
      (i64.store offset=24 (local.get $at) (i64.const 3600000000000))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (i32.store8 offset=8 (local.get $at) (i32.const 1)) ;; what there is to be read of 0
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (local.set $n (i32.add (local.get $n) (i32.const 2)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 2000))))
    (drop (call $poll_oneoff (i32.const 4096) (i32.const 131072) (i32.const 2000) (i32.const 2048)))
    i64.const 0))
