;; Overflows its stack in sgs_alloc, on a document of more than 100 bytes. Answers done, with the number of its calls as
;; retry-after.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func $f (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
  (func (export "sgs_alloc") (param $size i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.const 100)) (then (drop (call $f (i32.const 0)))))
    i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
