;; Runs its message, a program in the form of state.wat's, with these steps:
;;
;;   0: http_open(a, b); what it returns is handle 0, 1, … of the call
;;   1: http_head(a, b, c)   2: http_read(a, b, c)   3: http_close(a)
;;   4: adds the b bytes of the memory at a to the output
;;   5: reads the body of a to its end, 32 KiB at a time, and adds it and the last result to the output
;;   6: reads once from a, and logs what there was   7: http_open(a, b) a hundred thousand times   8: traps   else: nothing
;;
;; Where a handle is wanted, 0x7fff0000 + n stands for handle n of the call. What 0, 1, 2 and 7 (the last time) return
;; is added to the output, four bytes each. At the end the output is emitted to the platform p, and the answer is done.
(module
  (import "sgs_v1" "emit" (func $emit (param i32 i32) (result i32)))
  (import "sgs_v1" "log" (func $log (param i32 i32 i32)))
  (import "sgs_v1" "http_open" (func $http_open (param i32 i32) (result i32)))
  (import "sgs_v1" "http_head" (func $http_head (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_read" (func $http_read (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_close" (func $http_close (param i32)))
  (memory (export "memory") 64)
  (data (i32.const 1024) "p\0a")
  (global $out (mut i32) (i32.const 1026))
  (global $opened (mut i32) (i32.const 0))
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 0x100000)
  (func $put (param $n i32)
    (i32.store (global.get $out) (local.get $n))
    (global.set $out (i32.add (global.get $out) (i32.const 4))))
  (func $handle (param $a i32) (result i32)
    (if (result i32) (i32.eq (i32.shr_u (local.get $a) (i32.const 16)) (i32.const 0x7fff))
      (then (i32.load (i32.mul (i32.and (local.get $a) (i32.const 0xff)) (i32.const 4))))
      (else (local.get $a))))
  (func $open (param $a i32) (param $b i32) (result i32)
    (local $h i32)
    (local.set $h (call $http_open (local.get $a) (local.get $b)))
    (i32.store (i32.mul (global.get $opened) (i32.const 4)) (local.get $h))
    (global.set $opened (i32.and (i32.add (global.get $opened) (i32.const 1)) (i32.const 0xff)))
    (local.get $h))
  (func $drain (param $h i32)
    (local $n i32)
    (loop $more
      (local.set $n (call $http_read (local.get $h) (global.get $out) (i32.const 0x8000)))
      (if (i32.gt_s (local.get $n) (i32.const 0)) (then
        (if (i32.lt_u (global.get $out) (i32.const 0xf0000)) (then ;; the rest is read, and not kept
          (global.set $out (i32.add (global.get $out) (local.get $n)))))
        (br $more))))
    (call $put (local.get $n)))
  (func $show (param $h i32)
    (local $n i32)
    (local.set $n (call $http_read (local.get $h) (i32.const 0x380000) (i32.const 0x8000)))
    (if (i32.gt_s (local.get $n) (i32.const 0)) (then
      (call $log (i32.const 1) (i32.const 0x380000) (local.get $n)))))
  (func $flood (param $a i32) (param $b i32)
    (local $n i32) (local $left i32)
    (local.set $left (i32.const 100000))
    (loop $more
      (local.set $n (call $http_open (local.get $a) (local.get $b)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (call $put (local.get $n)))
  (func $step (param $at i32)
    (local $a i32) (local $b i32) (local $c i32)
    (local.set $a (i32.load offset=4 (local.get $at)))
    (local.set $b (i32.load offset=8 (local.get $at)))
    (local.set $c (i32.load offset=12 (local.get $at)))
    (block $else (block $trap (block $many (block $once (block $all (block $copy (block $close (block $read (block $head (block $begin
      (br_table $begin $head $read $close $copy $all $once $many $trap $else (i32.load (local.get $at))))
      (return (call $put (call $open (local.get $a) (local.get $b)))))
      (return (call $put (call $http_head (call $handle (local.get $a)) (local.get $b) (local.get $c)))))
      (return (call $put (call $http_read (call $handle (local.get $a)) (local.get $b) (local.get $c)))))
      (return (call $http_close (call $handle (local.get $a)))))
      (memory.copy (global.get $out) (local.get $a) (local.get $b))
      (global.set $out (i32.add (global.get $out) (local.get $b)))
      (return))
      (return (call $drain (call $handle (local.get $a)))))
      (return (call $show (call $handle (local.get $a)))))
      (return (call $flood (local.get $a) (local.get $b))))
      unreachable))
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (local $left i32)
    (local.set $left (i32.load (local.get $ptr)))
    (local.set $ptr (i32.add (local.get $ptr) (i32.const 4)))
    (global.set $out (i32.const 1026))
    (global.set $opened (i32.const 0))
    (loop $next
      (if (local.get $left) (then
        (call $step (local.get $ptr))
        (local.set $ptr (i32.add (local.get $ptr) (i32.const 32)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
    (drop (call $emit (i32.const 1024) (i32.sub (global.get $out) (i32.const 1024))))
    i64.const 0))
