//! What a plugin for sgstreamd is written with in Rust. It needs nothing but the standard library.
//!
//! ```ignore
//! use sgs::{Call, Outcome};
//!
//! sgs::handle!(echo);
//!
//! fn echo(call: &Call) -> Outcome {
//!     call.reply(call.message.text("content"))?;
//!     Ok(())
//! }
//! ```
//!
//! `handle!` makes a plugin of a function, [`plugin!`] one of a type that has a configuration and a memory ([`Plugin`]).

mod call;
pub mod events;
pub mod export;
mod host;
pub mod http;
pub mod json;
mod json_writer;
mod message;
pub mod msgpack;
mod pack;
mod state;
mod text;
mod verdict;

pub use call::{Call, To};
pub use host::{count, debug, error, fail, info, log, warn, Errno, HostError, Level};
pub use http::{Request, Response};
pub use message::Message;
pub use msgpack::{Kind, Value};
pub use pack::{List, Map};
pub use state::State;
pub use verdict::{Outcome, Verdict};

/// The deepest nesting of lists and maps that the readers and writers of this crate follow.
pub const MAX_DEPTH: usize = 256;

/// Why a configuration is refused. `Err("model is not set".into())` makes one, and `?` makes one of any error.
pub type Refusal = Box<dyn std::error::Error>;

/// A plugin that has a configuration, or keeps something in its instance's memory. [`plugin!`] exports it.
///
/// The daemon runs several instances side by side and may end one at any time: what a plugin keeps in itself is a
/// cache. What has to last belongs into [`Call::state`].
pub trait Plugin: Sized + 'static {
    /// Makes the plugin of the operator's table `plugins.<name>.config`, a map. It is called once, before the first
    /// message. An error refuses the configuration, and with it the plugin.
    fn configure(config: Value<'_>) -> Result<Self, Refusal>;

    /// Handles a message. What was emitted and set is written if, and only if, the result is `Ok`.
    fn handle(&mut self, call: &Call) -> Outcome;

    /// Is called before the instance is closed in good order.
    fn stop(&mut self) {}
}

/// Makes the module's plugin of a function, `fn(&sgs::Call) -> sgs::Outcome`. It has no configuration.
#[macro_export]
macro_rules! handle {
    ($function:path) => {
        const _: () = {
            #[no_mangle]
            extern "C" fn sgs_abi_v1() {}
            #[no_mangle]
            extern "C" fn sgs_alloc(size: usize) -> *mut u8 {
                $crate::export::alloc(size)
            }
            #[no_mangle]
            extern "C" fn sgs_handle(_document: *const u8, size: usize) -> u64 {
                $crate::export::handle(size, |call| $function(call))
            }
        };
    };
}

/// Makes the module's plugin of a type that implements [`Plugin`].
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        const _: () = {
            std::thread_local! {
                static PLUGIN: std::cell::RefCell<Option<$plugin>> = const { std::cell::RefCell::new(None) };
            }
            #[no_mangle]
            extern "C" fn sgs_abi_v1() {}
            #[no_mangle]
            extern "C" fn sgs_alloc(size: usize) -> *mut u8 {
                $crate::export::alloc(size)
            }
            #[no_mangle]
            extern "C" fn sgs_configure(_document: *const u8, size: usize) -> i32 {
                PLUGIN.with(|slot| $crate::export::configure(size, &mut *slot.borrow_mut()))
            }
            #[no_mangle]
            extern "C" fn sgs_handle(_document: *const u8, size: usize) -> u64 {
                PLUGIN.with(|slot| $crate::export::handle_with(size, &mut *slot.borrow_mut()))
            }
            #[no_mangle]
            extern "C" fn sgs_stop() {
                PLUGIN.with(|slot| $crate::export::stop(&mut *slot.borrow_mut()))
            }
        };
    };
}
