;; Asks for a request in _initialize. Answers done with the negated errno as retry-after.
(module
  (import "sgs_v1" "http_open" (func $http_open (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\22url\22:\22http://a.example/\22}")
  (global $got (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $got (call $http_open (i32.const 16) (i32.const 27))))
  (func (export "sgs_abi_v1"))
  (func (export "sgs_alloc") (param $size i32) (result i32) i32.const 1024)
  (func (export "sgs_handle") (param $ptr i32) (param $len i32) (result i64)
    (i64.extend_i32_u (i32.sub (i32.const 0) (global.get $got)))))
