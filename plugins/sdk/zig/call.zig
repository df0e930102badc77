//! The handling of one message.

const std = @import("std");
const host = @import("host.zig");
const web = @import("http.zig");
const Message = @import("message.zig").Message;
const Packer = @import("pack.zig").Packer;

/// The buffer that emits and requests are written to, used again for each.
var buffer: Packer = .init(std.heap.wasm_allocator);

/// What is kept of it from one document to the next, in bytes.
const kept = 1 << 20;

/// Call is the handling of one message. It is valid until handle returns.
pub const Call = struct {
    message: Message,
    /// Memory that is given back, all at once, when the message is handled.
    arena: std.mem.Allocator,
    after_ms: u32 = 0,

    /// retried is the result of a call that failed, to be tried again at the daemon's pace.
    pub const retried: u64 = 1 << 32;

    /// retry ends the call: the message is tried again, not before so many milliseconds; 0 is the daemon's pace.
    /// The reason is for the log and the dead letter. return call.retry(5_000, "{d} from the API", .{status});
    pub fn retry(call: *Call, after_ms: u64, comptime reason: []const u8, args: anytype) error{Retry} {
        call.after_ms = @intCast(@min(after_ms, std.math.maxInt(u32)));
        sayf(reason, args);
        return error.Retry;
    }

    /// reject ends the call: the message goes to the dead letters at once, with the reason.
    pub fn reject(_: *Call, comptime reason: []const u8, args: anytype) error{Reject} {
        sayf(reason, args);
        return error.Reject;
    }

    /// drop ends the call: the message is acknowledged, and nothing is written.
    pub fn drop(_: *Call) error{Drop} {
        return error.Drop;
    }

    /// fail ends the call as any other error does: the message is tried again at the daemon's pace. The text takes the
    /// place of the error's name.
    pub fn fail(_: *Call, comptime text: []const u8, args: anytype) error{Failed} {
        sayf(text, args);
        return error.Failed;
    }

    /// emit asks for an entry to be written when the message is done. It has a platform or a stream, and a payload:
    ///
    ///     try call.emit(.{ .platform = "discord", .payload = .{ .channel_id = "42", .type = "message", .text = "hello" } });
    ///
    /// The payload is any value that a Packer writes as a map. The daemon adds message_key, trace_id and platform.
    pub fn emit(_: *Call, entry: anytype) (host.Error || Packer.Error)!void {
        comptime for (std.meta.fieldNames(@TypeOf(entry))) |name| {
            if (std.meta.stringToEnum(enum { platform, stream, payload }, name) == null)
                @compileError("an emit has a platform or a stream, and a payload; what is " ++ name ++ "?");
        };
        try host.emit(try document(entry));
    }

    /// reply answers an inbound message: a text to the channel that it came from.
    pub fn reply(call: *Call, text: []const u8) (host.Error || Packer.Error)!void {
        const m = &call.message;
        const id = m.text("message_id");
        try call.emit(.{ .platform = m.platform, .payload = .{
            .platform = m.platform,
            .channel_id = m.text("channel_id"),
            .type = "message",
            .text = text,
            .trace_id = m.trace_id,
            .reply_to = if (id.len > 0) id else null,
        } });
    }

    /// get returns a value of the plugin's state, null if there is none. It sees what the call itself has set.
    pub fn get(call: *Call, key: []const u8) (host.Error || std.mem.Allocator.Error)!?[]const u8 {
        var buf = try call.arena.alloc(u8, 256);
        while (true) {
            const n = host.get(key, buf) catch |err| return if (err == error.ENOTFOUND) null else err;
            if (n <= buf.len) return buf[0..n];
            buf = try call.arena.alloc(u8, n);
        }
    }

    /// set keeps a value under a key, written together with what is emitted when the message is done. With ttl_ms above
    /// 0 it expires so many milliseconds later.
    pub fn set(_: *Call, key: []const u8, value: []const u8, ttl_ms: u63) host.Error!void {
        try host.set(key, value, ttl_ms);
    }

    /// delete removes a key. It is no error if there is none.
    pub fn delete(_: *Call, key: []const u8) host.Error!void {
        try host.set(key, "", -1);
    }

    /// count adds to a counter of the plugin's own, sgstreamd_plugin_custom_total, at once and whatever becomes of the message.
    pub fn count(_: *Call, name: []const u8, n: u63) host.Error!void {
        try host.count(name, n);
    }

    /// deadlineMs returns how many milliseconds are left until the daemon gives the call up, at least 0.
    pub fn deadlineMs(_: *Call) i64 {
        return host.deadlineMs();
    }

    /// http sends a request and waits for the head of its response. Any status is a response.
    pub fn http(call: *Call, request: web.Request) (host.Error || Packer.Error)!web.Response {
        return (try call.send(request)).wait();
    }

    /// send begins a request and does not wait; several can be under way at the same time.
    pub fn send(call: *Call, request: web.Request) (host.Error || Packer.Error)!web.Pending {
        return .{ .arena = call.arena, .handle = try host.httpOpen(try document(request)) };
    }

    /// finish turns what handle returned into the result of sgs_handle.
    pub fn finish(call: *const Call, result: anyerror!void) u64 {
        result catch |err| return switch (err) {
            error.Retry => retried | call.after_ms,
            error.Reject => 2 << 32,
            error.Drop => 3 << 32,
            error.Failed => retried,
            else => {
                host.say(why(err));
                return retried;
            },
        };
        return 0;
    }
};

/// refuse ends configure: the daemon does not start the plugin, and shows the text.
pub fn refuse(comptime text: []const u8, args: anytype) error{Refused} {
    sayf(text, args);
    return error.Refused;
}

fn document(v: anytype) Packer.Error![]const u8 {
    if (buffer.out.capacity > kept) buffer.out.clearAndFree(buffer.gpa) else buffer.out.clearRetainingCapacity();
    try buffer.out.ensureTotalCapacityPrecise(buffer.gpa, 2000); // most have room in it, and so it need not grow step by step
    try buffer.add(v);
    return buffer.value().bytes;
}

fn sayf(comptime text: []const u8, args: anytype) void {
    var line: host.Line = .{};
    host.say(line.print(text, args));
}

/// why says in words why something failed: an error of the daemon's with the function that it came from, and of a
/// request with the daemon's own text. It is what an error that handle returns becomes, and valid until it is asked again.
pub fn why(err: anyerror) []const u8 {
    const known = inline for (@typeInfo(host.Error).error_set.?) |e| {
        if (err == @field(host.Error, e.name)) break true;
    } else false;
    if (!known) return @errorName(err);
    var room: [512]u8 = undefined;
    const text = if (std.mem.startsWith(u8, host.refused, "http")) host.httpWhy(&room) else "";
    return reasons.print("{s}: {s}{s}{s}", .{ host.refused, @errorName(err), if (text.len > 0) ": " else "", text });
}

var reasons: host.Line = .{};
