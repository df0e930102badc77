;; Calls every function of sgs_v1 with every combination of eight numbers (the fifth argument of kv_set repeats
;; the first). Answers done.
(module
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (import "sgs_v1" "fail" (func $fail (param i32 i32)))
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (import "sgs_v1" "deadline_ms" (func $deadline_ms (result i64)))
  (import "sgs_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (import "sgs_v1" "kv_set" (func $kv_set (param i32 i32 i32 i32 i64) (result i32)))
  (import "sgs_v1" "metric_add" (func $metric_add (param i32 i32 i64) (result i32)))
  (import "sgs_v1" "http_open" (func $http_open (param i32 i32) (result i32)))
  (import "sgs_v1" "http_head" (func $http_head (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_read" (func $http_read (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_close" (func $http_close (param i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 2048)
  ;; The numbers: nothing, one, a place inside, the last byte, the end, the greatest positive and negative ones, all bits.
  (data (i32.const 1024) "\00\00\00\00" "\01\00\00\00" "\00\10\00\00" "\ff\ff\00\00" "\00\00\01\00" "\ff\ff\ff\7f" "\00\00\00\80" "\ff\ff\ff\ff")
  ;; The number of an argument in a round: a digit of the round, in octal.
  (func $n (param $round i32) (param $digit i32) (result i32)
    (i32.load offset=1024 (i32.shl (i32.and (i32.shr_u (local.get $round) (i32.mul (local.get $digit) (i32.const 3))) (i32.const 7)) (i32.const 2))))
  (func $few (param $r i32)
    (call $log
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (call $n (local.get $r) (i32.const 2)))
    (call $fail
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1)))
    (drop (call $emit
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))))
    (drop (call $deadline_ms))
    (drop (call $metric_add
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (i64.extend_i32_s (call $n (local.get $r) (i32.const 2)))))
    (drop (call $http_open
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))))
    (drop (call $http_head
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (call $n (local.get $r) (i32.const 2))))
    (drop (call $http_read
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (call $n (local.get $r) (i32.const 2))))
    (call $http_close
      (call $n (local.get $r) (i32.const 0))))
  (func $state (param $r i32)
    (drop (call $kv_get
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (call $n (local.get $r) (i32.const 2))
      (call $n (local.get $r) (i32.const 3))))
    (drop (call $kv_set
      (call $n (local.get $r) (i32.const 0))
      (call $n (local.get $r) (i32.const 1))
      (call $n (local.get $r) (i32.const 2))
      (call $n (local.get $r) (i32.const 3))
      (i64.extend_i32_s (call $n (local.get $r) (i32.const 0))))))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $round i32)
    (loop $next
      (call $state (local.get $round))
      (if (i32.lt_u (local.get $round) (i32.const 512)) (then ;; the others have three arguments at most
        (call $few (local.get $round))))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $round) (i32.const 4096))))
    i64.const 0))
