;; Looks for an environment, arguments and a file. Answers done, with retry-after holding the number of
;; variables (bits 0 to 7), of arguments (8 to 15), and the errno of path_open (16 and above).
(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (data (i32.const 16) "etc/passwd")
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (drop (call $environ_sizes_get (i32.const 64) (i32.const 68)))
    (drop (call $args_sizes_get (i32.const 72) (i32.const 76)))
    (i64.extend_i32_u (i32.or (i32.load (i32.const 64))
      (i32.or (i32.shl (i32.load (i32.const 72)) (i32.const 8))
        (i32.shl (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 10)
          (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 80)) (i32.const 16)))))))
