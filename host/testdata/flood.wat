;; Emits its message two thousand times and answers done, with the number of emits that were taken as
;; retry-after.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $i i32) (local $ok i64)
    (loop $again
      (if (i32.eqz (call $emit (local.get $ptr) (local.get $len)))
        (then (local.set $ok (i64.add (local.get $ok) (i64.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 2000))))
    local.get $ok))
