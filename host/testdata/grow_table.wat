;; On a message that begins with '!' it grows its table by a million references until that fails, and
;; answers with the table's size in KiB references. Answers done, with the number of its calls as
;; retry-after.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (table 1 funcref)
  (elem declare func $f)
  (func $f)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (loop $again
          (br_if $again (i32.ne (table.grow 0 (ref.func $f) (i32.const 1000000)) (i32.const -1))))
        (return (i64.extend_i32_u (i32.shr_u (table.size 0) (i32.const 10))))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
