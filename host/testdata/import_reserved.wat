;; Imports a function of a later version of the host.
(module
  (import "sgs_v1" "http_open" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 0))
