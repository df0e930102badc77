;; Exports a global that can be changed, and another under the name of an optional function, which is then no function.
(module
  (memory (export "memory") 1)
  (global (export "g") (mut i64) (i64.const 0))
  (global (export "sgs_stop") i32 (i32.const 0))
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (global.set 0 (i64.add (global.get 0) (i64.const 1)))
    global.get 0))
