//! Writing msgpack: any Zig value that has a form in it.

const std = @import("std");
const Value = @import("value.zig").Value;
const Allocator = std.mem.Allocator;

/// Binary is bytes that are written as such (bin). A []const u8 alone is text.
pub const Binary = struct { data: []const u8 };

/// Packer writes msgpack into memory of its own, which grows as it must.
///
///     bool, null, integers, floats     themselves; an integer in the shortest form, f32 with 32 bits
///     []const u8, "…", enums           text
///     slices, arrays, tuples           an array
///     structs                          a map of the fields; one that is an optional and null is left out
///     sgs.Value                        the value, byte for byte
///     sgs.Binary                       bytes
///     std.json.Value                   what it is in JSON; an object is a map
///     a type with packInto             what that writes: pub fn packInto(v: T, p: *sgs.Packer) sgs.Packer.Error!void
///
/// Where the keys are not known to the compiler, map and array begin a container, and its parts are added one by one.
pub const Packer = struct {
    gpa: Allocator,
    out: std.ArrayList(u8) = .empty,

    /// Error is what writing can end with.
    pub const Error = Allocator.Error;

    /// init makes a packer in the allocator's memory, such as that of the call.
    pub fn init(gpa: Allocator) Packer {
        return .{ .gpa = gpa };
    }

    /// value returns what was written, as one value. It is valid until more is added.
    pub fn value(p: *const Packer) Value {
        return .{ .bytes = p.out.items };
    }

    /// map begins a map: so many times, a key and a value have to follow.
    pub fn map(p: *Packer, entries: usize) Error!void {
        try p.head(entries, 0x80, 16, null, 0xde, 0xdf);
    }

    /// array begins an array: so many values have to follow.
    pub fn array(p: *Packer, items: usize) Error!void {
        try p.head(items, 0x90, 16, null, 0xdc, 0xdd);
    }

    /// binary writes bytes.
    pub fn binary(p: *Packer, data: []const u8) Error!void {
        try p.head(data.len, 0, 0, 0xc4, 0xc5, 0xc6);
        try p.out.appendSlice(p.gpa, data);
    }

    /// text writes a text.
    pub fn text(p: *Packer, data: []const u8) Error!void {
        try p.head(data.len, 0xa0, 32, 0xd9, 0xda, 0xdb);
        try p.out.appendSlice(p.gpa, data);
    }

    /// add writes a value of any type of the list above.
    pub fn add(p: *Packer, v: anytype) Error!void {
        const T = @TypeOf(v);
        switch (T) {
            Value => return p.out.appendSlice(p.gpa, if (v.bytes.len > 0) v.bytes else Value.nil.bytes),
            Binary => return p.binary(v.data),
            std.json.Value => return p.json(v),
            else => {},
        }
        switch (@typeInfo(T)) {
            .null => try p.byte(0xc0),
            .bool => try p.byte(if (v) 0xc3 else 0xc2),
            .int => try p.integer(v),
            .comptime_int => try p.integer(@as(std.math.IntFittingRange(@min(v, 0), @max(v, 0)), v)),
            .float => |f| if (f.bits == 32) try p.tagged(0xca, u32, @bitCast(v)) else try p.tagged(0xcb, u64, @bitCast(@as(f64, @floatCast(v)))),
            .comptime_float => try p.tagged(0xcb, u64, @bitCast(@as(f64, v))),
            .optional => if (v) |some| try p.add(some) else try p.byte(0xc0),
            .@"enum", .enum_literal => try p.text(@tagName(v)),
            .@"struct" => try p.structure(v),
            .array => try p.list(&v),
            .pointer => |ptr| switch (ptr.size) {
                .slice => if (ptr.child == u8) try p.text(v) else try p.list(v),
                .one => if (@typeInfo(ptr.child) == .array) {
                    try p.add(@as([]const std.meta.Elem(ptr.child), v));
                } else try p.add(v.*),
                else => @compileError("no form in msgpack: " ++ @typeName(T)),
            },
            else => @compileError("no form in msgpack: " ++ @typeName(T)),
        }
    }

    fn list(p: *Packer, all: anytype) Error!void {
        try p.array(all.len);
        for (all) |v| try p.add(v);
    }

    fn structure(p: *Packer, v: anytype) Error!void {
        const T = @TypeOf(v);
        if (@hasDecl(T, "packInto")) return v.packInto(p);
        const fields = @typeInfo(T).@"struct".fields;
        if (@typeInfo(T).@"struct".is_tuple and fields.len > 0) {
            try p.array(fields.len);
            inline for (fields) |f| try p.add(@field(v, f.name));
            return;
        }
        var there: usize = 0;
        inline for (fields) |f| there += @intFromBool(!isAbsent(@field(v, f.name)));
        try p.map(there);
        inline for (fields) |f| {
            if (!isAbsent(@field(v, f.name))) {
                try p.text(f.name);
                try p.add(@field(v, f.name));
            }
        }
    }

    fn isAbsent(v: anytype) bool {
        return switch (@typeInfo(@TypeOf(v))) {
            .optional => v == null,
            .null => true,
            else => false,
        };
    }

    fn json(p: *Packer, v: std.json.Value) Error!void {
        switch (v) {
            .null => try p.byte(0xc0),
            inline .bool, .integer, .float, .string => |some| try p.add(some),
            .number_string => |s| {
                if (std.fmt.parseInt(i64, s, 10)) |n| return p.add(n) else |_| {}
                if (std.fmt.parseInt(u64, s, 10)) |n| return p.add(n) else |_| {}
                try p.add(std.fmt.parseFloat(f64, s) catch std.math.nan(f64));
            },
            .array => |a| {
                try p.array(a.items.len);
                for (a.items) |item| try p.json(item);
            },
            .object => |o| {
                try p.map(o.count());
                var all = o.iterator();
                while (all.next()) |e| {
                    try p.text(e.key_ptr.*);
                    try p.json(e.value_ptr.*);
                }
            },
        }
    }

    fn integer(p: *Packer, v: anytype) Error!void {
        if (v >= 0) {
            const n: u64 = @intCast(v);
            if (n < 0x80) return p.byte(@intCast(n));
            if (n <= std.math.maxInt(u8)) return p.tagged(0xcc, u8, @intCast(n));
            if (n <= std.math.maxInt(u16)) return p.tagged(0xcd, u16, @intCast(n));
            if (n <= std.math.maxInt(u32)) return p.tagged(0xce, u32, @intCast(n));
            return p.tagged(0xcf, u64, n);
        }
        const n: i64 = @intCast(v);
        if (n >= -32) return p.byte(@bitCast(@as(i8, @intCast(n))));
        if (n >= std.math.minInt(i8)) return p.tagged(0xd0, i8, @intCast(n));
        if (n >= std.math.minInt(i16)) return p.tagged(0xd1, i16, @intCast(n));
        if (n >= std.math.minInt(i32)) return p.tagged(0xd2, i32, @intCast(n));
        return p.tagged(0xd3, i64, n);
    }

    /// head writes a length in the shortest form: in the first byte where it is less than short, or behind a tag.
    fn head(p: *Packer, n: usize, tag: u8, short: usize, tag8: ?u8, tag16: u8, tag32: u8) Error!void {
        if (n < short) return p.byte(tag | @as(u8, @intCast(n)));
        if (tag8) |t| if (n <= std.math.maxInt(u8)) return p.tagged(t, u8, @intCast(n));
        if (n <= std.math.maxInt(u16)) return p.tagged(tag16, u16, @intCast(n));
        return p.tagged(tag32, u32, std.math.cast(u32, n) orelse return error.OutOfMemory);
    }

    fn byte(p: *Packer, b: u8) Error!void {
        try p.out.append(p.gpa, b);
    }

    fn tagged(p: *Packer, tag: u8, comptime T: type, n: T) Error!void {
        const room = try p.out.addManyAsSlice(p.gpa, 1 + @sizeOf(T));
        room[0] = tag;
        std.mem.writeInt(T, room[1..][0..@sizeOf(T)], n, .big);
    }
};
