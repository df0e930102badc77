//! Tests of what needs no host: zig test test.zig.

const std = @import("std");
const date = @import("date.zig");
const json = @import("json.zig");
const lines = @import("lines.zig");
const Packer = @import("pack.zig").Packer;
const Binary = @import("pack.zig").Binary;
const Message = @import("message.zig").Message;
const value = @import("value.zig");
const Value = value.Value;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

fn Arena() std.heap.ArenaAllocator {
    return .init(std.testing.allocator);
}

test "what is packed can be read" {
    var arena = Arena();
    defer arena.deinit();
    var p: Packer = .init(arena.allocator());
    const long = "x" ** 70_000;
    try p.add(.{
        .small = 5,
        .minus = -1,
        .i16 = -129,
        .most = @as(u64, std.math.maxInt(u64)),
        .least = @as(i64, std.math.minInt(i64)),
        .float = 1.5,
        .single = @as(f32, 0.1),
        .yes = true,
        .absent = @as(?u8, null),
        .nothing = Value.nil,
        .list = .{ 1, "two", .three },
        .slice = &[_]u32{ 200, 70_000 },
        .long = long,
        .data = Binary{ .data = "\x00\xff" },
        .nested = .{ .a = .{ .b = "deep" } },
    });
    const v = value.first(p.value().bytes).?;
    try expectEqual(14, v.len());
    try expectEqual(5, v.get("small").?.int(u8));
    try expectEqual(null, v.get("minus").?.int(u8));
    try expectEqual(-1, v.get("minus").?.int(i8));
    try expectEqual(-129, v.get("i16").?.int(i64));
    try expectEqual(std.math.maxInt(u64), v.get("most").?.int(u64));
    try expectEqual(null, v.get("most").?.int(i64));
    try expectEqual(std.math.minInt(i64), v.get("least").?.int(i64));
    try expectEqual(1.5, v.get("float").?.float());
    try expectEqual(@as(f32, 0.1), v.get("single").?.float());
    try expectEqual(5, v.get("small").?.float());
    try expectEqual(true, v.get("yes").?.boolean());
    try expectEqual(null, v.get("absent"));
    try expect(v.get("nothing").?.isNil());
    try expectEqualStrings("two", v.path(.{ "list", 1 }).?.text().?);
    try expectEqualStrings("three", v.path(.{ "list", 2 }).?.text().?);
    try expectEqual(70_000, v.path(.{ "slice", 1 }).?.int(u32));
    try expectEqualStrings(long, v.get("long").?.text().?);
    try expectEqualStrings("\x00\xff", v.get("data").?.binary().?);
    try expectEqual(null, v.get("data").?.text());
    try expectEqualStrings("deep", v.path(.{ "nested", "a", "b" }).?.text().?);
    try expectEqual(null, v.path(.{ "nested", 0 }));
}

test "integers are packed in the shortest form" {
    var arena = Arena();
    defer arena.deinit();
    for ([_]struct { i64, usize }{
        .{ 0, 1 },   .{ 127, 1 }, .{ 128, 2 },  .{ 255, 2 },  .{ 256, 3 },     .{ 65_535, 3 },  .{ 65_536, 5 },     .{ 1 << 32, 9 },
        .{ -32, 1 }, .{ -33, 2 }, .{ -128, 2 }, .{ -129, 3 }, .{ -32_768, 3 }, .{ -32_769, 5 }, .{ -(1 << 31), 5 }, .{ -(1 << 31) - 1, 9 },
    }) |case| {
        var p: Packer = .init(arena.allocator());
        try p.add(case[0]);
        try expectEqual(case[1], p.value().bytes.len);
        try expectEqual(case[0], p.value().int(i64));
    }
}

test "keys in a longer form than they need are found" {
    const v: Value = .{ .bytes = "\x82\xd9\x01a\x01\xda\x00\x01b\x02" };
    try expectEqual(1, v.get("a").?.int(u8));
    try expectEqual(2, v.get("b").?.int(u8));
}

test "what is malformed is null, and nothing is read out of bounds" {
    for ([_][]const u8{
        "",                                                                                 "\xc1", "\xd9", "\xd9\x05abc", "\x81", "\x81\xa1", "\x81\xa1a", "\x92\x01", "\xdf\xff\xff\xff\xff", "\xcb\x00", "\xc7\x01", "\xd8\x00",
        "\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff",
    }) |bytes| {
        const v: Value = .{ .bytes = bytes };
        try expectEqual(null, value.first(bytes));
        try expectEqual(null, v.get("a"));
        try expectEqual(null, v.text());
        try expectEqual(null, v.float());
        try expectEqual(null, v.at(1));
    }
}

test "nesting does not exhaust the stack" {
    const deep = "\x91" ** 1_000_000 ++ "\xc0";
    try expectEqual(deep.len, value.first(deep).?.bytes.len);
    var arena = Arena();
    defer arena.deinit();
    const v: Value = .{ .bytes = deep };
    try std.testing.expectError(error.OutOfMemory, json.write(arena.allocator(), v));
}

test "any bytes can be read" {
    try std.testing.fuzz({}, readAnything, .{ .corpus = &.{ "\x81\xa1a\x92\x01\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "\x82\xc4\x01x\xc7\x02\x05ab" } });
    var random: std.Random.DefaultPrng = .init(1);
    var buf: [64]u8 = undefined;
    for (0..200_000) |_| {
        const bytes = buf[0..random.random().uintAtMost(usize, buf.len)];
        for (bytes) |*b| b.* = switch (random.random().uintLessThan(u8, 3)) {
            0 => random.random().uintAtMost(u8, 255),
            1 => 0x80 + random.random().uintAtMost(u8, 0x3f),
            else => 0xc0 + random.random().uintAtMost(u8, 0x1f),
        };
        try readBytes(bytes);
    }
}

fn readAnything(_: void, smith: *std.testing.Smith) !void {
    var buf: [256]u8 = undefined;
    try readBytes(buf[0..smith.slice(&buf)]);
}

fn readBytes(bytes: []const u8) !void {
    const v: Value = .{ .bytes = bytes };
    inline for (.{ v.kind(), v.text(), v.binary(), v.ext(), v.int(u8), v.int(i64), v.float(), v.boolean(), v.len() }) |x| std.mem.doNotOptimizeAway(x);
    std.mem.doNotOptimizeAway(v.path(.{ "a", 0 }));
    std.mem.doNotOptimizeAway(Message.read(v));
    var arena = Arena();
    defer arena.deinit();
    if (value.first(bytes)) |one| {
        try expect(one.bytes.len <= bytes.len);
        // What is written as JSON is JSON, as std.json reads it.
        const text = json.write(arena.allocator(), one) catch return;
        try expect(try std.json.validate(arena.allocator(), text));
    }
}

test "a message is read in any order of its keys" {
    var arena = Arena();
    defer arena.deinit();
    var p: Packer = .init(arena.allocator());
    try p.add(.{ .payload = .{ .content = "hello" }, .other = 1, .ts = 1.5, .attempt = 2, .stream = "s", .maybe_delivered = true });
    const m = Message.read(p.value()).?;
    try expectEqualStrings("hello", m.text("content"));
    try expectEqualStrings("", m.text("none"));
    try expectEqualStrings("s", m.stream);
    try expect(m.ts == 1.5 and m.attempt == 2 and m.maybe_delivered);
    try expectEqual(null, Message.read(.{ .bytes = "{\"stream\":\"s\"}" }));
}

test "msgpack in JSON has the forms of the contract" {
    var arena = Arena();
    defer arena.deinit();
    for ([_]struct { []const u8, []const u8 }{
        .{ "\xc0", "null" },
        .{ "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615" },
        .{ "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "1.0" },
        .{ "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5" },
        .{ "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "{\"$float\":\"NaN\"}" },
        .{ "\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "{\"$float\":\"-Infinity\"}" },
        .{ "\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c", "1e300" },
        .{ "\xa2\xff\xff", "{\"$str\":\"//8=\"}" },
        .{ "\xc4\x02\x00\x01", "{\"$binary\":\"AAE=\"}" },
        .{ "\xd6\xff\x65\x53\xf1\x00", "{\"$ext\":[-1,\"ZVPxAA==\"]}" },
        .{ "\x81\x01\xa3one", "{\"$map\":[[1,\"one\"]]}" },
        .{ "\x81\xa6$float\x01", "{\"$$float\":1}" },
        .{ "\x82\xa2$a\x01\xa1b\x02", "{\"$a\":1,\"b\":2}" },
    }) |case| try expectEqualStrings(case[1], try json.write(arena.allocator(), Value{ .bytes = case[0] }));
}

test "JSON is written as it was read" {
    var arena = Arena();
    defer arena.deinit();
    for ([_][]const u8{
        "{\"a\":[1,-0,1.0,1e400,12345678901234567890123,true,null],\"b\":{\"c\":\"é\\n\\u0001\"}}",
        "\"\"",
        "[]",
        "{}",
        "[" ** 256 ++ "]" ** 256,
    }) |text| {
        const tree = try json.parse(std.json.Value, arena.allocator(), text);
        try expectEqualStrings(text, try json.write(arena.allocator(), tree));
    }
    const escaped = try json.parse(std.json.Value, arena.allocator(), " \"\\ud83d\\ude00\\u00e9\\/\" ");
    try expectEqualStrings("\"😀é/\"", try json.write(arena.allocator(), escaped));
}

test "what is no JSON is malformed" {
    var arena = Arena();
    defer arena.deinit();
    for ([_][]const u8{
        "",                  "{",                      "[1,]",  "{\"a\":1,}", "01",   "+1",  "1.",  ".5", "1e", "nul", "\"\\ud83d\"", "\"\\udc00x\"", "\"\\x\"", "\"a\nb\"", "\"\xff\"", "1 2",
        "{\"a\":1,\"a\":2}", "[" ** 257 ++ "]" ** 257, "{1:2}", "'a'",        "\"\\", "[[]", "NaN",
    }) |text| try std.testing.expectError(error.Malformed, json.parse(std.json.Value, arena.allocator(), text));
}

test "a struct takes what it has fields for" {
    var arena = Arena();
    defer arena.deinit();
    const T = struct { ok: bool, n: u8 = 7, list: []const []const u8 = &.{}, more: ?std.json.Value = null };
    const got = try json.parse(T, arena.allocator(), "{\"ok\":true,\"other\":[{}],\"list\":[\"a\"],\"more\":3}");
    try expect(got.ok and got.n == 7);
    try expectEqualStrings("a", got.list[0]);
    try expectEqual(3, json.asInt(u8, got.more.?));
    try expectEqual(3.0, json.asFloat(got.more.?));
    try std.testing.expectError(error.Malformed, json.parse(T, arena.allocator(), "{\"ok\":1}"));
    try std.testing.expectError(error.Malformed, json.parse(T, arena.allocator(), "{}"));
}

test "JSON becomes msgpack" {
    var arena = Arena();
    defer arena.deinit();
    const tree = try json.parse(std.json.Value, arena.allocator(), "{\"a\":[1,-1,1.5,18446744073709551615,\"x\",null,{}]}");
    var p: Packer = .init(arena.allocator());
    try p.add(tree);
    try expectEqualStrings("\x81\xa1a\x97\x01\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1x\xc0\x80", p.value().bytes);
}

/// Chunks is a source that hands a text over in pieces of n bytes.
const Chunks = struct {
    text: []const u8,
    n: usize,

    pub fn read(c: *Chunks, buf: []u8) error{}!usize {
        const n = @min(c.n, c.text.len, buf.len);
        @memcpy(buf[0..n], c.text[0..n]);
        c.text = c.text[n..];
        return n;
    }
};

test "lines, in whatever pieces they come" {
    for (1..12) |n| {
        var arena = Arena();
        defer arena.deinit();
        var source: Chunks = .{ .text = "one\ntwo\r\n\nthr\ree\nfour", .n = n };
        var all: lines.Lines(*Chunks) = .{ .source = &source, .arena = arena.allocator() };
        for ([_][]const u8{ "one", "two", "", "thr\ree", "four" }) |want| try expectEqualStrings(want, (try all.next()).?);
        try expectEqual(null, try all.next());
        try expectEqual(null, try all.next());
    }
    var arena = Arena();
    defer arena.deinit();
    var source: Chunks = .{ .text = "x" ** (lines.max_line + 1), .n = 4096 };
    var all: lines.Lines(*Chunks) = .{ .source = &source, .arena = arena.allocator() };
    try std.testing.expectError(error.LineTooLong, all.next());
}

test "events, in whatever pieces they come" {
    const text = "\xef\xbb\xbfdata: ä\ndata:two\n\n: a comment\r\nevent: x\r\nid: 7\r\ndata:  three\r\n\r\rdata\n\nevent: none\n\ndata: four\rretry: 5\r\rdata: cut";
    for (1..40) |n| {
        var arena = Arena();
        defer arena.deinit();
        var source: Chunks = .{ .text = text, .n = n };
        var all: lines.Events(*Chunks) = .{ .lines = .{ .source = &source, .arena = arena.allocator(), .carriage_return_ends = true } };
        for ([_][3][]const u8{
            .{ "message", "ä\ntwo", "" },
            .{ "x", " three", "7" },
            .{ "message", "", "7" },
            .{ "message", "four", "7" },
        }) |want| {
            const got = (try all.next()).?;
            try expectEqualStrings(want[0], got.name);
            try expectEqualStrings(want[1], got.data);
            try expectEqualStrings(want[2], got.id);
        }
        try expectEqual(null, try all.next());
    }
}

test "the three forms of a date" {
    const when = 784_111_777;
    try expectEqual(when, date.parse("Sun, 06 Nov 1994 08:49:37 GMT"));
    try expectEqual(when, date.parse("Sunday, 06-Nov-94 08:49:37 GMT"));
    try expectEqual(when, date.parse("Sun Nov  6 08:49:37 1994"));
    try expectEqual(951_782_400, date.parse("Tue, 29 Feb 2000 00:00:00 GMT"));
    try expectEqual(4_107_542_400, date.parse("Mon, 01 Mar 2100 00:00:00 GMT"));
    try expectEqual(0, date.parse("Thu, 01 Jan 1970 00:00:00 GMT"));
    for ([_][]const u8{ "", "12", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT", "a b c d e f g" }) |text|
        try expectEqual(null, date.parse(text));
    try expectEqual(120_000, date.waitMs(" 120", 0));
    try expectEqual(1_500, date.waitMs("Sun, 06 Nov 1994 08:49:37 GMT", when * 1000 - 1_500));
    try expectEqual(0, date.waitMs("Sun, 06 Nov 1994 08:49:37 GMT", when * 1000 + 1));
    for ([_][]const u8{ "86401", "9999999999", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT" }) |text| try expectEqual(86_400_000, date.waitMs(text, 0));
    for ([_][]const u8{ "", "-1", "1.5", "soon" }) |text| try expectEqual(null, date.waitMs(text, 0));
}
