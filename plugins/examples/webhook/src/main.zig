//! webhook is an adapter: it delivers each outbound message as a signed POST of JSON.

const std = @import("std");
const sgs = @import("sgs");

/// How much of an answer's body goes into the reason of a message that was not delivered, in bytes.
const reason_bytes = 200;

/// How much of a successful answer's body is read, so that its connection can be used again, in bytes.
const passed_over = 16 << 10;

/// What the configuration holds, read once; it stays where it is.
var url: []const u8 = "";
var further: sgs.Value = .nil;

pub fn configure(config: sgs.Value) !void {
    url = (config.get("url") orelse return sgs.refuse("url is missing; write where messages are to be sent", .{})).text() orelse
        return sgs.refuse("url must be text", .{});
    further = config.get("headers") orelse .nil;
    var all = further.entries();
    while (all.next()) |e| {
        const name = e.key.text() orelse "";
        for ([_][]const u8{ "content-type", "idempotency-key" }) |own| {
            if (std.ascii.eqlIgnoreCase(name, own)) return sgs.refuse("headers.{s} is set by the plugin itself; remove it", .{name});
        }
        if (e.value.text() == null) return sgs.refuse("headers.{s} must be text", .{name});
    }
}

pub fn handle(call: *sgs.Call) !void {
    const id = try keyOf(call);
    const request: sgs.Request = .{
        .method = "POST",
        .url = url,
        .headers = try headers(call, id),
        .body = try body(call, id),
        // It ends before the call does, so that a server that does not answer is a retry with a reason.
        .timeout_ms = @intCast(std.math.clamp(call.deadlineMs() - 500, 1, std.math.maxInt(u32))),
        .secrets = &.{"signing-key"},
    };
    var response = call.http(request) catch |err| switch (err) {
        // Another try would end in the same way.
        error.EINVALID, error.EDENIED, error.ELIMIT => return call.reject("{s}", .{sgs.why(err)}),
        else => return err,
    };
    defer response.close();
    switch (response.status) {
        200...299 => _ = response.start(passed_over) catch {}, // it is delivered, whatever else the server says
        429, 503 => return call.retry(response.retryAfterMs() orelse 0, "{s}", .{try reason(call, &response)}),
        408, 425, 500...502, 504...599 => return call.retry(0, "{s}", .{try reason(call, &response)}),
        else => return call.reject("{s}", .{try reason(call, &response)}),
    }
}

/// keyOf returns the message's idempotency key. Whoever wrote to the stream may have set none.
fn keyOf(call: *sgs.Call) ![]const u8 {
    const m = &call.message;
    const key = m.text("message_key");
    return if (key.len > 0) key else std.fmt.allocPrint(call.arena, "{s}:{s}", .{ m.stream, m.id });
}

fn body(call: *sgs.Call, id: []const u8) ![]const u8 {
    const m = &call.message;
    return sgs.json.write(call.arena, .{
        .id = id,
        .ts = m.ts,
        .platform = m.platform,
        .channel_id = m.payload.get("channel_id") orelse sgs.Value.nil,
        .trace_id = m.trace_id,
        .payload = m.payload,
    });
}

fn headers(call: *sgs.Call, id: []const u8) ![]const sgs.Header {
    const list = try call.arena.alloc(sgs.Header, 2 + further.len());
    list[0] = .{ .name = "Content-Type", .value = "application/json" };
    list[1] = .{ .name = "Idempotency-Key", .value = id };
    var all = further.entries();
    for (list[2..]) |*h| {
        const e = all.next() orelse return error.Malformed;
        h.* = .{ .name = e.key.text() orelse "", .value = e.value.text() orelse "" };
    }
    return list;
}

/// reason says what the server has answered: the status, and how the body begins, in one line.
fn reason(call: *sgs.Call, response: *sgs.Response) ![]const u8 {
    const begins = response.start(reason_bytes) catch "";
    const line = try call.arena.dupe(u8, begins);
    for (line) |*c| if (std.ascii.isControl(c.*)) {
        c.* = ' ';
    };
    const text = std.mem.trim(u8, line, " ");
    return std.fmt.allocPrint(call.arena, "the webhook answered {d}{s}{s}", .{ response.status, if (text.len > 0) ": " else "", text });
}
