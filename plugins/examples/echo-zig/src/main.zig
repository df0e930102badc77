//! echo-zig is a processor that answers every message with its own text.

const sgs = @import("sgs");

pub fn handle(call: *sgs.Call) !void {
    try call.reply(call.message.text("content"));
}
