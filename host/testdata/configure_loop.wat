;; Loops for ever in sgs_configure.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_configure") (param i32 i32) (result i32) (loop $again (br $again)) unreachable)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
