//! HTTP through the daemon, to the origins that the operator allows.

const std = @import("std");
const date = @import("date.zig");
const host = @import("host.zig");
const lines = @import("lines.zig");
const Packer = @import("pack.zig").Packer;
const Value = @import("value.zig").Value;

/// Header is one field of a header.
pub const Header = struct { name: []const u8, value: []const u8 };

/// Request is what is asked of a server.
pub const Request = struct {
    url: []const u8,
    method: []const u8 = "GET",
    /// A field may be there more than once.
    headers: []const Header = &.{},
    body: ?[]const u8 = null,
    /// Milliseconds for the request with all of its response; 0, and at most, as long as the operator allows.
    timeout_ms: u32 = 0,
    /// Ids of the secrets that the daemon is to put into the request. The plugin never sees them.
    secrets: []const []const u8 = &.{},

    pub fn packInto(r: Request, p: *Packer) Packer.Error!void {
        try p.map(5 + @as(usize, @intFromBool(r.body != null)));
        try p.text("url");
        try p.text(r.url);
        try p.text("method");
        try p.text(r.method);
        try p.text("timeout_ms");
        try p.add(r.timeout_ms);
        try p.text("secrets");
        try p.add(r.secrets);
        try p.text("headers");
        try packHeaders(r.headers, p);
        if (r.body) |body| {
            try p.text("body");
            try p.binary(body);
        }
    }
};

/// packHeaders writes each name once, with all of its values.
fn packHeaders(headers: []const Header, p: *Packer) Packer.Error!void {
    var names: usize = 0;
    for (headers, 0..) |h, i| names += @intFromBool(countOf(headers[0..i], h.name) == 0);
    try p.map(names);
    for (headers, 0..) |h, i| {
        if (countOf(headers[0..i], h.name) > 0) continue;
        try p.text(h.name);
        try p.array(countOf(headers[i..], h.name));
        for (headers[i..]) |same| {
            if (std.mem.eql(u8, same.name, h.name)) try p.text(same.value);
        }
    }
}

fn countOf(headers: []const Header, name: []const u8) usize {
    var n: usize = 0;
    for (headers) |h| n += @intFromBool(std.mem.eql(u8, h.name, name));
    return n;
}

/// Pending is a request that is under way.
pub const Pending = struct {
    arena: std.mem.Allocator,
    handle: u32,

    /// wait waits for the head of the response.
    pub fn wait(p: Pending) (host.Error || std.mem.Allocator.Error)!Response {
        errdefer host.httpClose(p.handle);
        var buf = try p.arena.alloc(u8, 1024);
        var n = try host.httpHead(p.handle, buf);
        if (n > buf.len) {
            buf = try p.arena.alloc(u8, n);
            n = try host.httpHead(p.handle, buf);
        }
        const head: Value = .{ .bytes = buf[0..n] };
        return .{
            .arena = p.arena,
            .handle = p.handle,
            .status = if (head.get("status")) |v| v.int(u16) orelse 0 else 0,
            .url = if (head.get("url")) |v| v.text() orelse "" else "",
            .headers = head.get("headers") orelse .nil,
        };
    }

    /// close ends the request, wherever it is.
    pub fn close(p: Pending) void {
        host.httpClose(p.handle);
    }
};

/// Response is what a server has answered. What is left of its body ends with the call.
pub const Response = struct {
    arena: std.mem.Allocator,
    handle: u32,
    status: u16,
    /// What has answered: another URL than the request's if the daemon followed redirects.
    url: []const u8,
    /// A map of names in lower case to arrays of texts.
    headers: Value,

    /// header returns the first value of a field. The name is written in lower case.
    pub fn header(r: *const Response, name: []const u8) ?[]const u8 {
        const values = r.headers.get(name) orelse return null;
        return (values.at(0) orelse return null).text();
    }

    /// retryAfterMs returns how many milliseconds the field Retry-After asks to wait, at most a day; null where it is absent or malformed.
    pub fn retryAfterMs(r: *const Response) ?u64 {
        return date.waitMs(r.header("retry-after") orelse return null, date.nowMs());
    }

    /// read waits for more of the body, and returns how many bytes there were; 0 at its end.
    pub fn read(r: *Response, buf: []u8) host.Error!usize {
        return host.httpRead(r.handle, buf);
    }

    /// readAll returns all of the body, or error.BodyTooLong if it has more than limit bytes.
    pub fn readAll(r: *Response, limit: usize) (host.Error || std.mem.Allocator.Error || error{BodyTooLong})![]u8 {
        const body = try r.start(limit +| 1);
        return if (body.len > limit) error.BodyTooLong else body;
    }

    /// start returns the first bytes of the body, as many as there are and at most limit.
    pub fn start(r: *Response, limit: usize) (host.Error || std.mem.Allocator.Error)![]u8 {
        var body: std.ArrayList(u8) = .empty;
        while (body.items.len < limit) {
            try body.ensureUnusedCapacity(r.arena, @min(limit - body.items.len, 4096));
            const room = body.unusedCapacitySlice();
            const n = try r.read(room[0..@min(room.len, limit - body.items.len)]);
            if (n == 0) break;
            body.items.len += n;
        }
        return body.items;
    }

    /// linesOf reads the body line by line, as it arrives.
    pub fn linesOf(r: *Response) lines.Lines(*Response) {
        return .{ .source = r, .arena = r.arena };
    }

    /// events reads the body as server-sent events, as they arrive.
    pub fn events(r: *Response) lines.Events(*Response) {
        return .{ .lines = .{ .source = r, .arena = r.arena, .carriage_return_ends = true } };
    }

    /// close ends the request. It need not be called, but in a call that makes many.
    pub fn close(r: *const Response) void {
        host.httpClose(r.handle);
    }
};
