//! The SDK for plugins in Zig; README.md is its reference page. A plugin's src/main.zig imports it as "sgs":
//!
//!     const sgs = @import("sgs");
//!
//!     pub fn handle(call: *sgs.Call) !void {
//!         try call.reply(call.message.text("content"));
//!     }

pub const Call = @import("call.zig").Call;
pub const refuse = @import("call.zig").refuse;
pub const why = @import("call.zig").why;
pub const Message = @import("message.zig").Message;

pub const Value = @import("value.zig").Value;
pub const Kind = @import("value.zig").Kind;
pub const Entry = @import("value.zig").Entry;
pub const Packer = @import("pack.zig").Packer;
pub const Binary = @import("pack.zig").Binary;
pub const json = @import("json.zig");

pub const Request = @import("http.zig").Request;
pub const Response = @import("http.zig").Response;
pub const Header = @import("http.zig").Header;
pub const Lines = @import("lines.zig").Lines;
pub const Events = @import("lines.zig").Events;
pub const Event = @import("lines.zig").Event;

/// nowMs returns the time, in Unix milliseconds.
pub const nowMs = @import("date.zig").nowMs;

/// Error is why the daemon refused something, by the number's name in the contract, such as error.EDENIED.
pub const Error = host.Error;

/// host are the daemon's functions as they are imported; the rest of the SDK is built on them.
pub const host = @import("host.zig");
