//! The message that is to be handled.

const std = @import("std");
const Value = @import("value.zig").Value;

/// Message is what a plugin is called with. Its texts are views, valid while the message is handled.
pub const Message = struct {
    /// Key of the stream that the message was read from, and its id there.
    stream: []const u8 = "",
    id: []const u8 = "",
    /// Redis's delivery count: 1 on the first try.
    attempt: u64 = 0,
    /// When the message was enqueued, in Unix seconds.
    ts: f64 = 0,
    trace_id: []const u8 = "",
    platform: []const u8 = "",
    channel_key: []const u8 = "",
    /// To an adapter: an earlier try may have reached the platform.
    maybe_delivered: bool = false,
    /// The payload, a map.
    payload: Value = .{ .bytes = "\x80" },

    /// read reads the document that the daemon hands over; null if it is no msgpack map.
    pub fn read(doc: Value) ?Message {
        if (doc.kind() != .map) return null;
        var m: Message = .{};
        var all = doc.entries();
        while (all.inner.next()) |name| {
            const key = name.text() orelse "";
            // The payload is the last, and so all the rest: it need not be gone through to find its end.
            if (all.inner.left == 1 and std.mem.eql(u8, key, "payload")) {
                m.payload = .{ .bytes = all.inner.rest };
                return m;
            }
            m.take(key, all.inner.next() orelse break);
        }
        return m;
    }

    fn take(m: *Message, key: []const u8, v: Value) void {
        inline for (.{ "stream", "id", "trace_id", "platform", "channel_key" }) |name| {
            if (std.mem.eql(u8, key, name)) @field(m, name) = v.text() orelse "";
        }
        if (std.mem.eql(u8, key, "attempt")) m.attempt = v.int(u64) orelse 0;
        if (std.mem.eql(u8, key, "ts")) m.ts = v.float() orelse 0;
        if (std.mem.eql(u8, key, "maybe_delivered")) m.maybe_delivered = v.boolean() orelse false;
        if (std.mem.eql(u8, key, "payload")) m.payload = v;
    }

    /// text returns the payload's text at the key, or "".
    pub fn text(m: Message, key: []const u8) []const u8 {
        const v = m.payload.get(key) orelse return "";
        return v.text() orelse "";
    }
};
