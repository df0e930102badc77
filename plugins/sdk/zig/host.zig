//! What the daemon offers, as it is imported, and the names of its error numbers.

const std = @import("std");

const imports = struct {
    extern "sgs_v1" fn log(level: u32, ptr: [*]const u8, len: usize) void;
    extern "sgs_v1" fn fail(ptr: [*]const u8, len: usize) void;
    extern "sgs_v1" fn emit(ptr: [*]const u8, len: usize) i32;
    extern "sgs_v1" fn deadline_ms() i64;
    extern "sgs_v1" fn kv_get(key: [*]const u8, key_len: usize, buf: [*]u8, cap: usize) i32;
    extern "sgs_v1" fn kv_set(key: [*]const u8, key_len: usize, value: [*]const u8, value_len: usize, ttl_ms: i64) i32;
    extern "sgs_v1" fn metric_add(name: [*]const u8, name_len: usize, n: i64) i32;
    extern "sgs_v1" fn http_open(ptr: [*]const u8, len: usize) i32;
    extern "sgs_v1" fn http_head(handle: u32, buf: [*]u8, cap: usize) i32;
    extern "sgs_v1" fn http_read(handle: u32, buf: [*]u8, cap: usize) i32;
    extern "sgs_v1" fn http_close(handle: u32) void;
};

/// Error is why the daemon refused something, by the number's name in the contract. error.EUNKNOWN is a number that
/// this SDK does not know.
pub const Error = error{ EINVALID, EDENIED, ELIMIT, EFAULT, ECANCELLED, ENOTFOUND, EUNAVAILABLE, EUNKNOWN };

/// The function that refused last, for the reason of a try that fails by it.
pub var refused: []const u8 = "";

/// check turns a result of the function into a number that is not negative, or the error that it stands for.
pub fn check(function: []const u8, result: i32) Error!usize {
    if (result >= 0) return @intCast(result);
    refused = function;
    return switch (result) {
        -1 => error.EINVALID,
        -2 => error.EDENIED,
        -3 => error.ELIMIT,
        -4 => error.EFAULT,
        -5 => error.ECANCELLED,
        -6 => error.ENOTFOUND,
        -7 => error.EUNAVAILABLE,
        else => error.EUNKNOWN,
    };
}

/// log writes a line of the level 0 (debug) to 3 (error).
pub fn log(level: u32, text: []const u8) void {
    imports.log(level, text.ptr, text.len);
}

/// say is the contract's fail: the reason of a retry, a reject, a refusal or a trap. The last one counts.
pub fn say(text: []const u8) void {
    imports.fail(text.ptr, text.len);
}

pub fn emit(doc: []const u8) Error!void {
    _ = try check("emit", imports.emit(doc.ptr, doc.len));
}

pub fn deadlineMs() i64 {
    return imports.deadline_ms();
}

pub fn get(key: []const u8, buf: []u8) Error!usize {
    return check("kv_get", imports.kv_get(key.ptr, key.len, buf.ptr, buf.len));
}

pub fn set(key: []const u8, value: []const u8, ttl_ms: i64) Error!void {
    _ = try check("kv_set", imports.kv_set(key.ptr, key.len, value.ptr, value.len, ttl_ms));
}

pub fn count(name: []const u8, n: i64) Error!void {
    _ = try check("metric_add", imports.metric_add(name.ptr, name.len, n));
}

pub fn httpOpen(doc: []const u8) Error!u32 {
    return @intCast(try check("http_open", imports.http_open(doc.ptr, doc.len)));
}

pub fn httpHead(handle: u32, buf: []u8) Error!usize {
    return check("http_head", imports.http_head(handle, buf.ptr, buf.len));
}

pub fn httpRead(handle: u32, buf: []u8) Error!usize {
    return check("http_read", imports.http_read(handle, buf.ptr, buf.len));
}

pub fn httpClose(handle: u32) void {
    imports.http_close(handle);
}

/// httpWhy writes why the call's last request was refused or has failed, and returns what it wrote.
pub fn httpWhy(buf: []u8) []const u8 {
    const n = imports.http_head(0, buf.ptr, buf.len);
    return if (n > 0 and n <= buf.len) buf[0..@intCast(n)] else "";
}

/// Line is room for one formatted text. What has no room is cut, as the daemon would cut it soon after.
pub const Line = struct {
    room: [4096]u8 = undefined,

    pub fn print(line: *Line, comptime format: []const u8, args: anytype) []const u8 {
        var w: std.Io.Writer = .fixed(&line.room);
        w.print(format, args) catch {};
        return w.buffered();
    }
};
