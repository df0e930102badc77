;; On a message that begins with '!' it prints 32 GiB of newlines with one fd_write, whose 65536
;; vectors all name the same 512 KiB. Answers done, with the number of its calls as retry-after.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 17)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (global $n (mut i64) (i64.const 0))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $i i32)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 33))
      (then
        (memory.fill (i32.const 0) (i32.const 10) (i32.const 0x80000))
        (loop $again
          (i32.store (i32.add (i32.const 0x80000) (i32.mul (local.get $i) (i32.const 8))) (i32.const 0))
          (i32.store (i32.add (i32.const 0x80004) (i32.mul (local.get $i) (i32.const 8))) (i32.const 0x80000))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 65536))))
        (drop (call $fd_write (i32.const 1) (i32.const 0x80000) (i32.const 65536) (i32.const 0x100000)))))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    global.get $n))
