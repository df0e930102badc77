;; Uses its state and counts in _initialize. Answers done with the negated errno of the kv_get as retry-after, or,
;; for a message of one byte, that of the kv_set.
(module
  (import "sgs_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (import "sgs_v1" "kv_set" (func $kv_set (param i32 i32 i32 i32 i64) (result i32)))
  (import "sgs_v1" "metric_add" (func $metric_add (param i32 i32 i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "started")
  (global $get (mut i32) (i32.const 0))
  (global $set (mut i32) (i32.const 0))
  (func (export "_initialize")
    (global.set $get (call $kv_get (i32.const 16) (i32.const 7) (i32.const 64) (i32.const 64)))
    (global.set $set (call $kv_set (i32.const 16) (i32.const 7) (i32.const 16) (i32.const 7) (i64.const 0)))
    (drop (call $metric_add (i32.const 16) (i32.const 7) (i64.const 1))))
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (i64.extend_i32_u (i32.sub (i32.const 0)
      (select (global.get $set) (global.get $get) (i32.eq (local.get $len) (i32.const 1)))))))
