;; Its sgs_alloc is WASI's fd_close: what it answers for a size is an errno, and no place for a document.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (export "sgs_alloc" (func $fd_close))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 0))
