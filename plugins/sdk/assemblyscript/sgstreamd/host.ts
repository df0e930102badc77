// The host's functions, as docs/abi.md has them. Pointers and lengths are in bytes of the module's memory.

@external("sgs_v1", "log")
export declare function hostLog(level: i32, at: usize, size: usize): void;

@external("sgs_v1", "fail")
export declare function hostFail(at: usize, size: usize): void;

@external("sgs_v1", "emit")
export declare function hostEmit(at: usize, size: usize): i32;

@external("sgs_v1", "deadline_ms")
export declare function hostDeadline(): i64;

@external("sgs_v1", "kv_get")
export declare function hostGet(key: usize, keySize: usize, into: usize, room: usize): i32;

@external("sgs_v1", "kv_set")
export declare function hostSet(key: usize, keySize: usize, value: usize, size: usize, ttl: i64): i32;

@external("sgs_v1", "metric_add")
export declare function hostCount(name: usize, size: usize, n: i64): i32;

@external("sgs_v1", "http_open")
export declare function hostOpen(at: usize, size: usize): i32;

@external("sgs_v1", "http_head")
export declare function hostHead(handle: i32, into: usize, room: usize): i32;

@external("sgs_v1", "http_read")
export declare function hostRead(handle: i32, into: usize, room: usize): i32;

@external("sgs_v1", "http_close")
export declare function hostClose(handle: i32): void;
