//! Dates as HTTP writes them, and the machine's clock.

const std = @import("std");

extern "wasi_snapshot_preview1" fn clock_time_get(id: u32, precision: u64, time: *u64) u32;

/// nowMs returns the time, in Unix milliseconds.
pub fn nowMs() i64 {
    var ns: u64 = 0;
    if (clock_time_get(0, 1_000_000, &ns) != 0) return 0;
    return @intCast(ns / 1_000_000);
}

/// parse reads a date in any of the three forms of RFC 9110, 5.6.7, as Unix seconds; null if it is none.
pub fn parse(text: []const u8) ?i64 {
    var parts: [6][]const u8 = undefined;
    var n: usize = 0;
    var words = std.mem.tokenizeAny(u8, text, " -,");
    while (words.next()) |word| : (n += 1) {
        if (n == parts.len) return null;
        parts[n] = word;
    }
    // Sun, 06 Nov 1994 08:49:37 GMT, or Sunday, 06-Nov-94 08:49:37 GMT, or Sun Nov  6 08:49:37 1994
    if (n == 6 and std.mem.eql(u8, parts[5], "GMT")) return join(parts[3], parts[2], parts[1], parts[4]);
    if (n == 5) return join(parts[4], parts[1], parts[2], parts[3]);
    return null;
}

fn join(year_text: []const u8, month_text: []const u8, day_text: []const u8, clock: []const u8) ?i64 {
    var year = number(year_text, 9999) orelse return null;
    if (year_text.len == 2) year += if (year < 70) 2000 else 1900;
    if (year < 1970) return null;
    const Month = enum { Jan, Feb, Mar, Apr, May, Jun, Jul, Aug, Sep, Oct, Nov, Dec };
    const month = @intFromEnum(std.meta.stringToEnum(Month, month_text) orelse return null);
    const day = number(day_text, 31) orelse return null;
    if (day == 0 or clock.len != 8 or clock[2] != ':' or clock[5] != ':') return null;
    const hour = number(clock[0..2], 23) orelse return null;
    const minute = number(clock[3..5], 59) orelse return null;
    const second = number(clock[6..8], 60) orelse return null;
    const before = [_]i64{ 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    const leap = year - @intFromBool(month < 2); // the years whose leap days have been
    const days = (year - 1970) * 365 + @divFloor(leap, 4) - @divFloor(leap, 100) + @divFloor(leap, 400) - 477 + before[month] + day - 1;
    return days * 86_400 + hour * 3_600 + minute * 60 + second;
}

/// number reads digits, and no sign or space.
fn number(text: []const u8, most: i64) ?i64 {
    for (text) |c| if (!std.ascii.isDigit(c)) return null;
    const n = std.fmt.parseInt(i64, text, 10) catch return null;
    return if (n > most) null else n;
}

/// The longest wait that is believed, in milliseconds: a day.
const longest = 86_400_000;

/// waitMs returns how long a field Retry-After asks to wait: seconds, or a date, from which now_ms is subtracted; at most
/// a day.
pub fn waitMs(field: []const u8, now_ms: i64) ?u64 {
    const text = std.mem.trim(u8, field, " \t");
    if (text.len > 0 and std.mem.findNone(u8, text, "0123456789") == null) {
        const seconds = std.fmt.parseInt(u64, text, 10) catch return longest; // more than 64 bits hold
        return @min(seconds *| 1000, longest);
    }
    const at = parse(text) orelse return null;
    return @intCast(std.math.clamp(at * 1000 - now_ms, 0, longest));
}
