;; Reads, asks for the head of, and closes the handles 1 to 100000, none of which is its own. Answers done, with the
;; number of those that were taken for one as retry-after.
(module
  (import "sgs_v1" "http_head" (func $http_head (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_read" (func $http_read (param i32 i32 i32) (result i32)))
  (import "sgs_v1" "http_close" (func $http_close (param i32)))
  (memory (export "memory") 1)
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param i32 i32) (result i64)
    (local $h i32) (local $taken i64)
    (loop $next
      (local.set $h (i32.add (local.get $h) (i32.const 1)))
      (if (i32.ge_s (call $http_head (local.get $h) (i32.const 4096) (i32.const 4096)) (i32.const 0))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))
      (if (i32.ge_s (call $http_read (local.get $h) (i32.const 4096) (i32.const 4096)) (i32.const 0))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))
      (call $http_close (local.get $h))
      (br_if $next (i32.lt_u (local.get $h) (i32.const 100000))))
    local.get $taken))
