//! Lines, and server-sent events, of what arrives piece by piece.

const std = @import("std");

/// The longest line, and the most data of an event, in bytes.
pub const max_line = 1 << 20;

/// Lines reads lines from a source that has fn read(buf: []u8) !usize, 0 at its end. A line ends with LF or CR LF; with
/// carriage_return_ends a CR alone ends one, too.
pub fn Lines(comptime Source: type) type {
    return struct {
        source: Source,
        arena: std.mem.Allocator,
        carriage_return_ends: bool = false,
        chunk: [4096]u8 = undefined,
        from: usize = 0,
        to: usize = 0,
        line: std.ArrayList(u8) = .empty,
        after_return: bool = false,
        ended: bool = false,

        const Self = @This();

        /// next returns the next line without its end, valid until the next one is asked for; null at the end. What has
        /// no line end at the source's end is a line. error.LineTooLong is one of more than max_line bytes.
        pub fn next(l: *Self) !?[]const u8 {
            l.line.clearRetainingCapacity();
            while (true) {
                const have = l.chunk[l.from..l.to];
                if (have.len == 0) {
                    if (!l.ended) {
                        l.from = 0;
                        l.to = try l.source.read(&l.chunk);
                        l.ended = l.to == 0;
                        continue;
                    }
                    return if (l.line.items.len > 0) l.line.items else null;
                }
                if (l.after_return) {
                    l.after_return = false;
                    if (have[0] == '\n') {
                        l.from += 1;
                        continue;
                    }
                }
                const end = (if (l.carriage_return_ends) std.mem.findAny(u8, have, "\r\n") else std.mem.findScalar(u8, have, '\n')) orelse have.len;
                if (l.line.items.len + end > max_line) return error.LineTooLong;
                try l.line.appendSlice(l.arena, have[0..end]);
                l.from += @min(end + 1, have.len);
                if (end == have.len) continue;
                l.after_return = have[end] == '\r';
                if (!l.carriage_return_ends and std.mem.endsWith(u8, l.line.items, "\r")) l.line.items.len -= 1;
                return l.line.items;
            }
        }
    };
}

/// Event is a server-sent event.
pub const Event = struct {
    /// Its field event; message where there was none.
    name: []const u8,
    /// Its data; several lines of them are joined by LF.
    data: []const u8,
    /// The last id that the stream has given.
    id: []const u8,
};

/// Events reads the events of a stream as https://html.spec.whatwg.org/multipage/server-sent-events.html says.
pub fn Events(comptime Source: type) type {
    return struct {
        lines: Lines(Source),
        begun: bool = false,
        name: std.ArrayList(u8) = .empty,
        data: std.ArrayList(u8) = .empty,
        id: std.ArrayList(u8) = .empty,

        const Self = @This();

        /// next returns the next event, valid until the next one is asked for; null at the end. One that the end cuts
        /// short is none.
        pub fn next(e: *Self) !?Event {
            e.name.clearRetainingCapacity();
            e.data.clearRetainingCapacity();
            while (try e.lines.next()) |whole| {
                var line = whole;
                if (!e.begun and std.mem.startsWith(u8, line, "\xef\xbb\xbf")) line = line[3..];
                e.begun = true;
                if (line.len > 0) {
                    try e.field(line);
                    continue;
                }
                if (e.data.items.len > 0) return .{
                    .name = if (e.name.items.len > 0) e.name.items else "message",
                    .data = e.data.items[0 .. e.data.items.len - 1],
                    .id = e.id.items,
                };
                e.name.clearRetainingCapacity();
            }
            return null;
        }

        fn field(e: *Self, line: []const u8) !void {
            const colon = std.mem.findScalar(u8, line, ':') orelse line.len;
            var text = line[@min(colon + 1, line.len)..];
            if (std.mem.startsWith(u8, text, " ")) text = text[1..];
            const Name = enum { data, event, id };
            switch (std.meta.stringToEnum(Name, line[0..colon]) orelse return) {
                .data => {
                    if (e.data.items.len + text.len >= max_line) return error.LineTooLong;
                    try e.data.appendSlice(e.lines.arena, text);
                    try e.data.append(e.lines.arena, '\n');
                },
                .event => try replace(&e.name, e.lines.arena, text),
                .id => if (std.mem.findScalar(u8, text, 0) == null) try replace(&e.id, e.lines.arena, text),
            }
        }
    };
}

fn replace(list: *std.ArrayList(u8), arena: std.mem.Allocator, text: []const u8) !void {
    list.clearRetainingCapacity();
    try list.appendSlice(arena, text);
}
