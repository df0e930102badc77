//! JSON, for the bodies of HTTP APIs: std.json with the bounds and settings that fit a plugin.

const std = @import("std");
const Value = @import("value.zig").Value;
const Stringify = std.json.Stringify;

/// How deep arrays and objects may be nested.
pub const max_depth = 256;

/// Error is what reading ends with. Malformed is all that is no JSON, or does not fit the type that is asked for.
pub const Error = error{ Malformed, OutOfMemory };

/// parse reads a JSON text into a type: a struct, whose fields without a default must be there and in which other keys
/// are passed over, or std.json.Value for a tree of anything. In a tree a number is its text (number_string), so that it
/// is written as it was; asInt and asFloat read it. A key that is there twice in an object is malformed.
pub fn parse(comptime T: type, arena: std.mem.Allocator, text: []const u8) Error!T {
    if (tooDeep(text)) return error.Malformed;
    return std.json.parseFromSliceLeaky(T, arena, text, .{
        .ignore_unknown_fields = true,
        .parse_numbers = false,
    }) catch |err| if (err == error.OutOfMemory) error.OutOfMemory else error.Malformed;
}

/// write returns the JSON text of a value: structs, slices, numbers, text, std.json.Value and sgs.Value, nested as they
/// are. What is not UTF-8 in a []const u8 is written as a list of numbers; a struct's optional that is null is left out.
pub fn write(arena: std.mem.Allocator, v: anytype) error{OutOfMemory}![]u8 {
    var out: std.Io.Writer.Allocating = .init(arena);
    Stringify.value(v, .{ .emit_null_optional_fields = false }, &out.writer) catch return error.OutOfMemory;
    return out.written();
}

/// asInt returns a number of a tree, if it is whole and fits into T.
pub fn asInt(comptime T: type, v: std.json.Value) ?T {
    return switch (v) {
        .number_string => |s| std.fmt.parseInt(T, s, 10) catch null,
        .integer => |n| std.math.cast(T, n),
        else => null,
    };
}

/// asFloat returns a number of a tree.
pub fn asFloat(v: std.json.Value) ?f64 {
    return switch (v) {
        .number_string => |s| std.fmt.parseFloat(f64, s) catch null,
        .integer => |n| @floatFromInt(n),
        .float => |n| n,
        else => null,
    };
}

/// tooDeep tells whether a text, if it is JSON, is nested deeper than max_depth.
fn tooDeep(text: []const u8) bool {
    var depth: usize = 0;
    var at: usize = 0;
    var quoted = false;
    while (at < text.len) : (at += 1) {
        switch (text[at]) {
            '"' => quoted = !quoted,
            '\\' => if (quoted) {
                at += 1;
            },
            '[', '{' => if (!quoted) {
                depth += 1;
                if (depth > max_depth) return true;
            },
            ']', '}' => if (!quoted) {
                depth -|= 1;
            },
            else => {},
        }
    }
    return false;
}

/// writeValue writes a msgpack value in the forms of the contract's codec json. What is malformed, or nested deeper than
/// left, ends the writing.
pub fn writeValue(v: Value, jw: *Stringify, left: usize) Stringify.Error!void {
    switch (v.kind()) {
        .invalid => return error.WriteFailed,
        .nil => try jw.write(null),
        .boolean => try jw.write(v.boolean().?),
        .integer => if (v.int(i64)) |n| try jw.write(n) else try jw.write(v.int(u64).?),
        .float => try writeFloat(v.float().?, jw),
        .text => {
            const text = v.text() orelse return error.WriteFailed;
            if (std.unicode.utf8ValidateSlice(text)) return jw.write(text);
            try writeTagged("$str", text, jw);
        },
        .binary => try writeTagged("$binary", v.binary() orelse return error.WriteFailed, jw),
        .ext => {
            const e = v.ext() orelse return error.WriteFailed;
            try jw.beginObject();
            try jw.objectField("$ext");
            try jw.beginArray();
            try jw.write(e.type);
            try writeBase64(e.data, jw);
            try jw.endArray();
            try jw.endObject();
        },
        .array => {
            if (left == 0) return error.WriteFailed;
            try jw.beginArray();
            var all = v.items();
            while (all.next()) |item| try writeValue(item, jw, left - 1);
            try jw.endArray();
        },
        .map => if (left == 0) return error.WriteFailed else try writeMap(v, jw, left - 1),
    }
}

fn writeMap(v: Value, jw: *Stringify, left: usize) Stringify.Error!void {
    if (!isObject(v)) {
        // Pairs are inside of two arrays and an object of their own, which count for the writer.
        if (left < 3) return error.WriteFailed;
        try jw.beginObject();
        try jw.objectField("$map");
        try jw.beginArray();
        var all = v.entries();
        while (all.next()) |e| {
            try jw.beginArray();
            try writeValue(e.key, jw, left - 2);
            try writeValue(e.value, jw, left - 2);
            try jw.endArray();
        }
        try jw.endArray();
        return jw.endObject();
    }
    try jw.beginObject();
    var all = v.entries();
    while (all.next()) |e| {
        const key = e.key.text().?;
        if (v.len() == 1 and std.mem.startsWith(u8, key, "$")) {
            try jw.beginObjectFieldRaw();
            try jw.writer.writeAll("\"$");
            try Stringify.encodeJsonStringChars(key, .{}, jw.writer);
            try jw.writer.writeByte('"');
            jw.endObjectFieldRaw();
        } else try jw.objectField(key);
        try writeValue(e.value, jw, left);
    }
    try jw.endObject();
}

/// isObject tells whether all keys of a map are UTF-8 text. That none is there twice would take long to tell.
fn isObject(v: Value) bool {
    var all = v.entries();
    while (all.next()) |e| {
        const key = e.key.text() orelse return false;
        if (!std.unicode.utf8ValidateSlice(key)) return false;
    }
    return true;
}

fn writeFloat(f: f64, jw: *Stringify) Stringify.Error!void {
    const name = if (std.math.isNan(f)) "NaN" else if (std.math.isPositiveInf(f)) "Infinity" else if (std.math.isNegativeInf(f)) "-Infinity" else {
        const size = @abs(f);
        if (size == @trunc(size) and size < 1e15) return jw.print("{d:.1}", .{f});
        if (size >= 1e-5 and size < 1e21) return jw.print("{d}", .{f});
        return jw.print("{e}", .{f});
    };
    try jw.beginObject();
    try jw.objectField("$float");
    try jw.write(name);
    try jw.endObject();
}

fn writeTagged(tag: []const u8, data: []const u8, jw: *Stringify) Stringify.Error!void {
    try jw.beginObject();
    try jw.objectField(tag);
    try writeBase64(data, jw);
    try jw.endObject();
}

fn writeBase64(data: []const u8, jw: *Stringify) Stringify.Error!void {
    try jw.beginWriteRaw();
    try jw.writer.writeByte('"');
    try std.base64.standard.Encoder.encodeWriter(jw.writer, data);
    try jw.writer.writeByte('"');
    jw.endWriteRaw();
}
