;; Emits a document outside its memory, and answers retry with the negated errno as retry-after.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (i64.or (i64.const 0x100000000) (i64.extend_i32_u
      (i32.sub (i32.const 0) (call $emit (i32.const 0xfffffff0) (i32.const 100)))))))
