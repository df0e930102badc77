;; Logs its message at the level of its first byte's value above '0', and calls fail with it.
(module
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (import "sgs_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 4)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (call $log (i32.sub (i32.load8_u (local.get $ptr)) (i32.const 48)) (local.get $ptr) (local.get $len))
    (call $fail (local.get $ptr) (local.get $len))
    ;; Texts outside of the memory do no harm.
    (call $log (i32.const 1) (i32.const 0xfffffff0) (i32.const 100))
    (call $fail (i32.const 0xfffffff0) (i32.const 100))
    i64.const 0))
