//! The conformance probe in Zig: it does what the steps of a message say, and reports what came of it.

const std = @import("std");
const sgs = @import("sgs");

/// What the configuration holds; it stays where it is.
var config: sgs.Value = .nil;

pub fn configure(given: sgs.Value) !void {
    if (textAt(given, "refuse")) |text| return sgs.refuse("{s}", .{text});
    config = given;
}

pub fn stop() void {
    std.log.info("stopped", .{});
}

/// Probe is the handling of one message.
const Probe = struct {
    call: *sgs.Call,
    reports: std.ArrayList([]const u8) = .empty,

    fn report(p: *Probe, comptime format: []const u8, args: anytype) !void {
        try p.reports.append(p.call.arena, try std.fmt.allocPrint(p.call.arena, format, args));
    }

    /// outcome reports OK, or the errno's name.
    fn outcome(p: *Probe, result: anytype) !void {
        if (result) |_| try p.report("OK", .{}) else |err| try p.report("{s}", .{@errorName(err)});
    }
};

pub fn handle(call: *sgs.Call) !void {
    var p: Probe = .{ .call = call };
    var steps = (call.message.payload.get("steps") orelse sgs.Value.nil).items();
    while (steps.next()) |step| try run(&p, step);
    const m = &call.message;
    try call.emit(.{ .platform = m.platform, .payload = .{
        .platform = m.platform,
        .channel_id = m.text("channel_id"),
        .type = "message",
        .text = try std.mem.join(call.arena, "\n", p.reports.items),
    } });
}

const Op = enum { message, copy, text, log, emit, get, set, delete, count, config, deadline, http, events, json, retry, reject, drop, fail, trap };

fn run(p: *Probe, step: sgs.Value) !void {
    const call = p.call;
    const op = textAt(step, "op") orelse "";
    switch (std.meta.stringToEnum(Op, op) orelse return call.reject("there is no op {s}", .{op})) {
        .message => {
            const m = &call.message;
            const ts_ms: i64 = @intFromFloat(@as(f64, @round(m.ts * 1000)));
            try p.report("{s}|{s}|{d}|{d}|{s}|{s}|{s}|{}", .{ m.stream, m.id, m.attempt, ts_ms, m.trace_id, m.platform, m.channel_key, m.maybe_delivered });
        },
        .copy => try call.emit(.{ .platform = call.message.platform, .payload = .{
            .platform = call.message.platform,
            .value = call.message.payload.get(need(step, "key")) orelse sgs.Value.nil,
        } }),
        .text => try p.report("{s}", .{textOf(follow(call.message.payload, step.get("path") orelse .nil)) orelse "-"}),
        .log => log(intAt(step, "level"), need(step, "text")),
        .emit => try p.outcome(call.emit(.{
            .platform = textAt(step, "platform"),
            .stream = textAt(step, "stream"),
            .payload = .{ .text = need(step, "text") },
        })),
        .get => if (call.get(need(step, "key"))) |value| try p.report("{s}", .{value orelse "-"}) else |err| try p.report("{s}", .{@errorName(err)}),
        .set => try p.outcome(call.set(need(step, "key"), need(step, "value"), @intCast(@max(intAt(step, "ttl_ms"), 0)))),
        .delete => try p.outcome(call.delete(need(step, "key"))),
        .count => try p.outcome(sgs.host.count(need(step, "name"), intAt(step, "n"))),
        .config => try p.report("{s}", .{textAt(config, need(step, "key")) orelse "-"}),
        .deadline => {
            const left = call.deadlineMs();
            try p.report("{}", .{left > 0 and left <= 3_600_000});
        },
        .http => http(p, step) catch |err| try p.report("{s}", .{@errorName(err)}),
        .events => events(p, step) catch |err| try p.report("{s}", .{@errorName(err)}),
        .json => {
            const tree = sgs.json.parse(std.json.Value, call.arena, need(step, "text")) catch return p.report("invalid", .{});
            try p.report("{s}", .{try sgs.json.write(call.arena, tree)});
        },
        .retry => return call.retry(@intCast(@max(intAt(step, "after_ms"), 0)), "{s}", .{need(step, "reason")}),
        .reject => return call.reject("{s}", .{need(step, "reason")}),
        .drop => return call.drop(),
        .fail => return call.fail("{s}", .{need(step, "reason")}),
        .trap => @panic("the probe was told to trap"),
    }
}

fn log(level: i64, text: []const u8) void {
    switch (level) {
        0 => std.log.debug("{s}", .{text}),
        1 => std.log.info("{s}", .{text}),
        2 => std.log.warn("{s}", .{text}),
        else => std.log.err("{s}", .{text}),
    }
}

fn http(p: *Probe, step: sgs.Value) !void {
    const arena = p.call.arena;
    var headers: std.ArrayList(sgs.Header) = .empty;
    var all = (step.get("headers") orelse sgs.Value.nil).entries();
    while (all.next()) |e| try headers.append(arena, .{ .name = e.key.text() orelse "", .value = e.value.text() orelse "" });
    var secrets: std.ArrayList([]const u8) = .empty;
    var ids = (step.get("secrets") orelse sgs.Value.nil).items();
    while (ids.next()) |id| try secrets.append(arena, id.text() orelse "");
    var response = try p.call.http(.{
        .method = textAt(step, "method") orelse "GET",
        .url = need(step, "url"),
        .headers = headers.items,
        .body = textAt(step, "body"),
        .secrets = secrets.items,
    });
    defer response.close();
    var body: std.ArrayList(u8) = .empty;
    var buf: [16]u8 = undefined;
    while (true) {
        const n = try response.read(&buf);
        if (n == 0) break;
        try body.appendSlice(arena, buf[0..n]);
    }
    try p.report("{d}|{s}|{s}", .{ response.status, response.header("x-probe") orelse "-", body.items });
}

fn events(p: *Probe, step: sgs.Value) !void {
    const arena = p.call.arena;
    var response = try p.call.http(.{ .url = need(step, "url") });
    defer response.close();
    var all = response.events();
    var data: std.ArrayList([]const u8) = .empty;
    while (try all.next()) |event| try data.append(arena, try arena.dupe(u8, event.data));
    try p.report("{s}", .{try std.mem.join(arena, ",", data.items)});
}

/// follow goes down a list of keys and indices.
fn follow(from: sgs.Value, path: sgs.Value) ?sgs.Value {
    var here = from;
    var steps = path.items();
    while (steps.next()) |step| {
        here = (if (step.text()) |key| here.get(key) else here.at(step.int(usize) orelse return null)) orelse return null;
    }
    return here;
}

fn textOf(v: ?sgs.Value) ?[]const u8 {
    return (v orelse return null).text();
}

fn textAt(v: sgs.Value, key: []const u8) ?[]const u8 {
    return textOf(v.get(key));
}

fn need(step: sgs.Value, key: []const u8) []const u8 {
    return textAt(step, key) orelse "";
}

fn intAt(step: sgs.Value, key: []const u8) i64 {
    return (step.get(key) orelse return 0).int(i64) orelse 0;
}
