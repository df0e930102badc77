;; Does what its message says. The message is seven little-endian numbers: the result of sgs_handle
;; (i64), pointer and length of an emit, of a log and fail (i32 each), and the next result of sgs_alloc
;; (i32).
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (import "sgs_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (global $next (mut i32) (i32.const 1024))
  (func (export "sgs_alloc") (param $size i32) (result i32) global.get $next)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (global.set $next (i32.load offset=24 (local.get $ptr)))
    (drop (call $emit (i32.load offset=8 (local.get $ptr)) (i32.load offset=12 (local.get $ptr))))
    (call $log (i32.const 1) (i32.load offset=16 (local.get $ptr)) (i32.load offset=20 (local.get $ptr)))
    (call $fail (i32.load offset=16 (local.get $ptr)) (i32.load offset=20 (local.get $ptr)))
    (i64.load (local.get $ptr))))
