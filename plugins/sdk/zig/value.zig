//! A msgpack value, read where it lies. Nothing is copied: texts, bytes and nested values are views into the document
//! that the daemon has handed over. What is malformed, absent or of another type is null, and never read out of bounds.

const std = @import("std");

/// Kind is what a value is; invalid is no msgpack.
pub const Kind = enum { invalid, nil, boolean, integer, float, text, binary, array, map, ext };

/// Ext is a value of a type that msgpack leaves to applications.
pub const Ext = struct { type: i8, data: []const u8 };

/// Depth to which a value is written as JSON; it is that of the contract.
const max_depth = 256;

/// Value is one value.
pub const Value = struct {
    /// The value's own encoding, from its first byte to its last.
    bytes: []const u8,

    /// nil is the value nil.
    pub const nil: Value = .{ .bytes = "\xc0" };

    /// kind tells what the value is.
    pub fn kind(v: Value) Kind {
        return if (headOf(v.bytes)) |h| h.kind else .invalid;
    }

    /// isNil tells whether the value is nil.
    pub fn isNil(v: Value) bool {
        return v.bytes.len > 0 and v.bytes[0] == 0xc0;
    }

    /// boolean returns a truth value.
    pub fn boolean(v: Value) ?bool {
        if (v.bytes.len == 0) return null;
        return switch (v.bytes[0]) {
            0xc2 => false,
            0xc3 => true,
            else => null,
        };
    }

    /// int returns an integer, if it is one and fits into T.
    pub fn int(v: Value, comptime T: type) ?T {
        const h = headOf(v.bytes) orelse return null;
        if (h.kind != .integer) return null;
        const b = v.bytes[0];
        return switch (b) {
            0x00...0x7f => std.math.cast(T, b),
            0xe0...0xff => std.math.cast(T, @as(i8, @bitCast(b))),
            0xcc => std.math.cast(T, v.bytes[1]),
            0xcd => std.math.cast(T, big(u16, v.bytes, 1)),
            0xce => std.math.cast(T, big(u32, v.bytes, 1)),
            0xcf => std.math.cast(T, big(u64, v.bytes, 1)),
            0xd0 => std.math.cast(T, big(i8, v.bytes, 1)),
            0xd1 => std.math.cast(T, big(i16, v.bytes, 1)),
            0xd2 => std.math.cast(T, big(i32, v.bytes, 1)),
            else => std.math.cast(T, big(i64, v.bytes, 1)),
        };
    }

    /// float returns a number, an integer too.
    pub fn float(v: Value) ?f64 {
        const h = headOf(v.bytes) orelse return null;
        if (h.kind == .integer) {
            if (v.int(i64)) |n| return @floatFromInt(n);
            return @floatFromInt(v.int(u64).?);
        }
        if (h.kind != .float) return null;
        if (h.size == 4) return @as(f32, @bitCast(big(u32, v.bytes, 1)));
        return @bitCast(big(u64, v.bytes, 1));
    }

    /// text returns a text (str). That it is UTF-8 is not looked at.
    pub fn text(v: Value) ?[]const u8 {
        return v.data(.text);
    }

    /// binary returns bytes (bin).
    pub fn binary(v: Value) ?[]const u8 {
        return v.data(.binary);
    }

    /// ext returns an ext.
    pub fn ext(v: Value) ?Ext {
        const d = v.data(.ext) orelse return null;
        const h = headOf(v.bytes).?;
        return .{ .type = @bitCast(v.bytes[h.at - 1]), .data = d };
    }

    fn data(v: Value, want: Kind) ?[]const u8 {
        const h = headOf(v.bytes) orelse return null;
        if (h.kind != want or h.size > v.bytes.len - h.at) return null;
        return v.bytes[h.at..][0..h.size];
    }

    /// len returns how many items an array, or entries a map, says that it has; 0 for all else.
    pub fn len(v: Value) usize {
        const h = headOf(v.bytes) orelse return 0;
        return if (h.kind == .array or h.kind == .map) h.size else 0;
    }

    /// get returns what a map has at the key, a text.
    pub fn get(v: Value, key: []const u8) ?Value {
        var all = v.entries();
        while (all.next()) |e| {
            if (isText(e.key.bytes, key)) return e.value;
        }
        return null;
    }

    /// at returns an array's item, counted from 0.
    pub fn at(v: Value, index: usize) ?Value {
        var all = v.items();
        var i: usize = 0;
        while (all.next()) |item| : (i += 1) {
            if (i == index) return item;
        }
        return null;
    }

    /// path goes down through maps and arrays: v.path(.{ "attachments", 0, "url" }).
    pub fn path(v: Value, steps: anytype) ?Value {
        var here = v;
        inline for (steps) |step| {
            here = (switch (@typeInfo(@TypeOf(step))) {
                .int, .comptime_int => here.at(step),
                else => here.get(step),
            }) orelse return null;
        }
        return here;
    }

    /// items goes through an array.
    pub fn items(v: Value) Items {
        const h = headOf(v.bytes) orelse return .{ .rest = "", .left = 0 };
        if (h.kind != .array) return .{ .rest = "", .left = 0 };
        return .{ .rest = v.bytes[h.at..], .left = h.size };
    }

    /// entries goes through a map.
    pub fn entries(v: Value) Entries {
        const h = headOf(v.bytes) orelse return .{ .inner = .{ .rest = "", .left = 0 } };
        if (h.kind != .map) return .{ .inner = .{ .rest = "", .left = 0 } };
        return .{ .inner = .{ .rest = v.bytes[h.at..], .left = 2 * @as(u64, h.size) } };
    }

    /// jsonStringify lets std.json and sgs.json write the value, in the forms of the contract's codec json: binary is
    /// {"$binary": base64}, for example.
    pub fn jsonStringify(v: Value, jw: *std.json.Stringify) std.json.Stringify.Error!void {
        return @import("json.zig").writeValue(v, jw, max_depth);
    }
};

/// Items goes through an array.
pub const Items = struct {
    rest: []const u8,
    left: u64,

    /// next returns the next item; null at the end, or where the document is malformed.
    pub inline fn next(it: *Items) ?Value {
        if (it.left == 0) return null;
        const n = sizeOf(it.rest) orelse {
            it.left = 0;
            return null;
        };
        const value: Value = .{ .bytes = it.rest[0..n] };
        it.rest = it.rest[n..];
        it.left -= 1;
        return value;
    }
};

/// Entry is a map's key with its value.
pub const Entry = struct { key: Value, value: Value };

/// Entries goes through a map.
pub const Entries = struct {
    inner: Items,

    /// next returns the next entry; null at the end, or where the document is malformed.
    pub inline fn next(it: *Entries) ?Entry {
        const key = it.inner.next() orelse return null;
        const value = it.inner.next() orelse return null;
        return .{ .key = key, .value = value };
    }
};

/// first returns the value that the bytes begin with.
pub fn first(bytes: []const u8) ?Value {
    return .{ .bytes = bytes[0 .. sizeOf(bytes) orelse return null] };
}

/// Head is what the first bytes of a value say of it.
const Head = struct {
    kind: Kind,
    at: usize, // where its data, or its first item, begins
    size: usize = 0, // bytes of data; items of an array, entries of a map
};

/// headOf reads the first bytes of a value. It is null unless all of the head is there; the numbers' bytes are a part of it.
fn headOf(b: []const u8) ?Head {
    if (b.len == 0) return null;
    return switch (b[0]) {
        0x00...0x7f, 0xe0...0xff => .{ .kind = .integer, .at = 1 },
        0x80...0x8f => .{ .kind = .map, .at = 1, .size = b[0] & 15 },
        0x90...0x9f => .{ .kind = .array, .at = 1, .size = b[0] & 15 },
        0xa0...0xbf => .{ .kind = .text, .at = 1, .size = b[0] & 31 },
        0xc0 => .{ .kind = .nil, .at = 1 },
        0xc1 => null,
        0xc2, 0xc3 => .{ .kind = .boolean, .at = 1 },
        0xc4 => sized(.binary, u8, b, 0),
        0xc5 => sized(.binary, u16, b, 0),
        0xc6 => sized(.binary, u32, b, 0),
        0xc7 => sized(.ext, u8, b, 1),
        0xc8 => sized(.ext, u16, b, 1),
        0xc9 => sized(.ext, u32, b, 1),
        0xca => fixed(.float, b, 1, 4),
        0xcb => fixed(.float, b, 1, 8),
        0xcc, 0xd0 => fixed(.integer, b, 1, 1),
        0xcd, 0xd1 => fixed(.integer, b, 1, 2),
        0xce, 0xd2 => fixed(.integer, b, 1, 4),
        0xcf, 0xd3 => fixed(.integer, b, 1, 8),
        0xd4...0xd8 => fixed(.ext, b, 2, @as(usize, 1) << @intCast(b[0] - 0xd4)),
        0xd9 => sized(.text, u8, b, 0),
        0xda => sized(.text, u16, b, 0),
        0xdb => sized(.text, u32, b, 0),
        0xdc => sized(.array, u16, b, 0),
        0xdd => sized(.array, u32, b, 0),
        0xde => sized(.map, u16, b, 0),
        0xdf => sized(.map, u32, b, 0),
    };
}

fn fixed(kind: Kind, b: []const u8, at: usize, size: usize) ?Head {
    return if (b.len < at + size) null else .{ .kind = kind, .at = at, .size = size };
}

fn sized(kind: Kind, comptime T: type, b: []const u8, extra: usize) ?Head {
    const at = 1 + @sizeOf(T) + extra;
    return if (b.len < at) null else .{ .kind = kind, .at = at, .size = big(T, b, 1) };
}

fn big(comptime T: type, b: []const u8, at: usize) T {
    return std.mem.readInt(T, b[at..][0..@sizeOf(T)], .big);
}

/// whole is the length of a value that its first byte tells: of numbers, short texts and the like; 0 where it takes more.
const whole: [256]u8 = sizes: {
    var table: [256]u8 = @splat(0);
    for (0..256) |b| table[b] = switch (b) {
        0x00...0x7f, 0xc0, 0xc2, 0xc3, 0xe0...0xff => 1,
        0xa0...0xbf => 1 + (b & 31),
        0xcc, 0xd0 => 2,
        0xcd, 0xd1, 0xd4 => 3,
        0xd5 => 4,
        0xca, 0xce, 0xd2 => 5,
        0xd6 => 6,
        0xcb, 0xcf, 0xd3 => 9,
        0xd7 => 10,
        0xd8 => 18,
        else => 0,
    };
    break :sizes table;
};

/// sizeOf returns the length of the value that the bytes begin with, and of all that is in it. It goes through nested
/// values without recursion, so that no document can exhaust the stack.
inline fn sizeOf(b: []const u8) ?usize {
    if (b.len > 0 and whole[b[0]] > 0) { // nearly all
        return if (whole[b[0]] > b.len) null else whole[b[0]];
    }
    return sizeOfNested(b);
}

fn sizeOfNested(b: []const u8) ?usize {
    var at: usize = 0;
    var left: u64 = 1;
    while (left > 0) : (left -= 1) {
        if (at >= b.len) return null;
        const known = whole[b[at]];
        if (known > 0) {
            at += known;
            continue;
        }
        const h = headOf(b[at..]) orelse return null;
        at += h.at;
        switch (h.kind) {
            .array => left += h.size,
            .map => left += 2 * @as(u64, h.size),
            else => {
                if (h.size > b.len - at) return null;
                at += h.size;
            },
        }
    }
    return if (at > b.len) null else at;
}

/// isText tells whether the value is that text.
fn isText(b: []const u8, text: []const u8) bool {
    if (text.len < 32 and b[0] == 0xa0 + text.len) return std.mem.eql(u8, b[1..], text);
    if (b[0] < 0xd9) return false; // a short text, and another length; or none
    return std.mem.eql(u8, (Value{ .bytes = b }).text() orelse return false, text);
}
