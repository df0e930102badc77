;; Answers done, with deadline_ms as retry-after.
(module
  (import "sgs_v1" "deadline_ms" (func $deadline_ms (result i64)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64) call $deadline_ms))
