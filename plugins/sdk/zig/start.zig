//! The root of every module: it exports what the daemon calls, and calls the plugin's own source, src/main.zig, which
//! declares
//!
//!     pub fn handle(call: *sgs.Call) !void           what is done with a message
//!     pub fn configure(config: sgs.Value) !void      optional: takes the configuration, once
//!     pub fn stop() void                             optional: before the instance ends
//!
//! A plugin imports sgs and never this file.

const std = @import("std");
const sgs = @import("sgs");
const plugin = @import("plugin");
const host = sgs.host;

/// std.log.info("…", .{}) and its like write to the daemon's log. std.log.err does not fail the message.
pub const std_options: std.Options = .{ .log_level = .debug, .logFn = log };

/// A panic traps, with its text in the daemon's log and in the dead letter.
pub const panic = std.debug.FullPanic(panicked);

comptime {
    if (!@hasDecl(plugin, "handle")) @compileError("src/main.zig lacks: pub fn handle(call: *sgs.Call) !void");
    @export(&marker, .{ .name = "sgs_abi_v1" });
    @export(&alloc, .{ .name = "sgs_alloc" });
    @export(&handle, .{ .name = "sgs_handle" });
    if (@hasDecl(plugin, "configure")) @export(&configure, .{ .name = "sgs_configure" });
    if (@hasDecl(plugin, "stop")) @export(&stop, .{ .name = "sgs_stop" });
}

const gpa = std.heap.wasm_allocator;

/// The document that the daemon hands over. It is kept for the next one, unless it is large.
var document: []u8 = &.{};
var arena: std.heap.ArenaAllocator = .init(gpa);

/// What is kept of the buffers from one call to the next, in bytes.
const kept = 1 << 20;

const no_manifest = "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build";

fn marker() callconv(.c) void {}

fn alloc(size: usize) callconv(.c) usize {
    if (size > document.len or document.len > kept) {
        gpa.free(document);
        document = &.{};
        document = gpa.alloc(u8, @max(size, 4096)) catch return 0;
    }
    return @intFromPtr(document.ptr);
}

fn handle(ptr: [*]const u8, len: usize) callconv(.c) u64 {
    defer _ = arena.reset(.{ .retain_with_limit = kept });
    const message = sgs.Message.read(.{ .bytes = ptr[0..len] }) orelse {
        host.say(no_manifest);
        return sgs.Call.retried;
    };
    var call: sgs.Call = .{ .message = message, .arena = arena.allocator() };
    const result: anyerror!void = plugin.handle(&call);
    return call.finish(result);
}

fn configure(ptr: [*]const u8, len: usize) callconv(.c) i32 {
    document = &.{}; // the configuration stays where it is: the plugin may keep views of it
    const config: sgs.Value = .{ .bytes = ptr[0..len] };
    if (config.kind() != .map) {
        host.say(no_manifest);
        return 1;
    }
    defer _ = arena.reset(.{ .retain_with_limit = kept });
    const result: anyerror!void = plugin.configure(config);
    result catch |err| {
        if (err != error.Refused) host.say(@errorName(err));
        return 1;
    };
    return 0;
}

fn stop() callconv(.c) void {
    plugin.stop();
}

fn panicked(text: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    host.say(text);
    @trap();
}

fn log(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    const prefix = if (scope == .default) "" else @tagName(scope) ++ ": ";
    var line: host.Line = .{};
    host.log(switch (level) {
        .debug => 0,
        .info => 1,
        .warn => 2,
        .err => 3,
    }, line.print(prefix ++ format, args));
}
