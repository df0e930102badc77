;; Imports a WASI function that there is not.
(module
  (import "wasi_snapshot_preview1" "fd_writ" (func))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 0))
