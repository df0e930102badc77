;; Closes its standard output and prints to it, more with every message. Answers done, with WASI's errno as retry-after.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (drop (call $fd_close (i32.const 1)))
    (i32.store (i32.const 512) (local.get $ptr))
    (i32.store (i32.const 516) (local.get $len))
    (i64.extend_i32_u (call $fd_write (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 520)))))
