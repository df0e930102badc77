;; Emits its message as it came. Answers done with the number of its calls as retry-after, or retry
;; with the negated errno of the emit.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 512)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $errno i32)
    (local.set $errno (call $emit (local.get $ptr) (local.get $len)))
    (if (local.get $errno)
      (then (return (i64.or (i64.const 0x100000000)
        (i64.extend_i32_u (i32.sub (i32.const 0) (local.get $errno)))))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
