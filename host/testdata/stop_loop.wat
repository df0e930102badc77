;; Its sgs_stop never ends.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_stop") (loop $again (br $again)))
  (func (export "sgs_handle") (param i32 i32) (result i64) i64.const 1))
