;; Its data lies outside of its memory.
(module
  (memory (export "memory") 1)
  (data (i32.const 65535) "two")
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 0))
