;; On a message that begins with '!' it grows its memory without end, and traps when that fails; with
;; '+' it grows by 13 pages. Answers done, with the number of its calls as retry-after.
(module
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (loop $again
          (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable))
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 43))
      (then (drop (memory.grow (i32.const 13)))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
