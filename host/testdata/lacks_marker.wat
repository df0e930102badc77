;; Exports no marker of the contract's version.
(module
  (memory (export "memory") 1)
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 0))
