;; Runs its message, a program. Its first number (i32, little-endian like all) is how many steps follow. A step has
;; 32 bytes: what to do (i32), up to five numbers (i32: a, b, c, d, and one that is not used), and one more (i64: n).
;;
;;   0: kv_get(a, b, c, d)   1: kv_set(a, b, c, d, n)   2: metric_add(a, b, n)
;;   3: adds the b bytes of the memory at a to the output   4: traps   else: nothing
;;
;; What 0, 1 and 2 return is added to the output, four bytes each. At the end the output is emitted to the
;; platform p, and the answer is done. Messages are at 0x100000.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (import "sgs_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (import "sgs_v1" "kv_set" (func $kv_set (param i32 i32 i32 i32 i64) (result i32)))
  (import "sgs_v1" "metric_add" (func $metric_add (param i32 i32 i64) (result i32)))
  (memory (export "memory") 64)
  (data (i32.const 1024) "p\0a")
  (global $out (mut i32) (i32.const 1026))
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 0x100000)
  (func $put (param $n i32)
    (i32.store (global.get $out) (local.get $n))
    (global.set $out (i32.add (global.get $out) (i32.const 4))))
  (func $step (param $at i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $n i64)
    (local.set $a (i32.load offset=4 (local.get $at)))
    (local.set $b (i32.load offset=8 (local.get $at)))
    (local.set $c (i32.load offset=12 (local.get $at)))
    (local.set $d (i32.load offset=16 (local.get $at)))
    (local.set $n (i64.load offset=24 (local.get $at)))
    (block $else (block $trap (block $copy (block $count (block $set (block $get
      (br_table $get $set $count $copy $trap $else (i32.load (local.get $at))))
      (return (call $put (call $kv_get (local.get $a) (local.get $b) (local.get $c) (local.get $d)))))
      (return (call $put (call $kv_set (local.get $a) (local.get $b) (local.get $c) (local.get $d) (local.get $n)))))
      (return (call $put (call $metric_add (local.get $a) (local.get $b) (local.get $n)))))
      (memory.copy (global.get $out) (local.get $a) (local.get $b))
      (global.set $out (i32.add (global.get $out) (local.get $b)))
      (return))
      unreachable))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $left i32)
    (local.set $left (i32.load (local.get $ptr)))
    (local.set $ptr (i32.add (local.get $ptr) (i32.const 4)))
    (global.set $out (i32.const 1026))
    (loop $next
      (if (local.get $left) (then
        (call $step (local.get $ptr))
        (local.set $ptr (i32.add (local.get $ptr) (i32.const 32)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
    (drop (call $emit (i32.const 1024) (i32.sub (global.get $out) (i32.const 1024))))
    i64.const 0))
