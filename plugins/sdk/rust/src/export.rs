//! What the macros [`handle!`](crate::handle) and [`plugin!`](crate::plugin) put behind the module's exports. A plugin
//! has no use for it.

use std::cell::RefCell;

use crate::{host, Call, Message, Outcome, Plugin, Refusal, Value, Verdict};

thread_local! {
    /// Where the host writes the document of the next call. A module has one thread.
    static DOCUMENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The size in bytes up to which a buffer is kept for the calls that follow.
pub(crate) const MAX_KEPT: usize = 1 << 20;

/// Is `sgs_alloc`: a buffer of `size` bytes, good until the call that it was asked for has returned; null if there is
/// no memory.
pub fn alloc(size: usize) -> *mut u8 {
    install_hook();
    DOCUMENT.with(|document| {
        let mut document = document.borrow_mut();
        if document.capacity() > MAX_KEPT {
            *document = Vec::new();
        }
        if document.len() < size {
            let (room, there) = (size.max(4096), document.len());
            if document.try_reserve_exact(room - there).is_err() {
                return std::ptr::null_mut();
            }
            // The host writes to it behind the compiler's back, for which all of it has been written already.
            document.resize(room, 0);
        }
        document.as_mut_ptr()
    })
}

/// with_document calls `f` with what the host has written.
fn with_document<T>(size: usize, f: impl FnOnce(&[u8]) -> T) -> T {
    let document = DOCUMENT.with(|document| std::mem::take(&mut *document.borrow_mut()));
    let result = f(&document[..size.min(document.len())]);
    DOCUMENT.with(|slot| *slot.borrow_mut() = document);
    result
}

/// Is `sgs_handle` of a plugin that is a function.
pub fn handle(size: usize, f: impl FnOnce(&Call) -> Outcome) -> u64 {
    with_document(size, |document| {
        let verdict = match Message::read(document) {
            Ok(message) => f(&Call::new(message)).err(),
            Err(why) => Some(Verdict::retry(why)),
        };
        match verdict {
            None => 0,
            Some(verdict) => verdict.pack(),
        }
    })
}

/// Is `sgs_configure`: makes the plugin.
pub fn configure<P: Plugin>(size: usize, slot: &mut Option<P>) -> i32 {
    let made = with_document(size, |document| -> Result<P, Refusal> {
        if is_json(document) {
            return Err(WRONG_CODEC.into());
        }
        P::configure(Value::read(document)?)
    });
    match made {
        Ok(plugin) => {
            *slot = Some(plugin);
            0
        }
        Err(why) => {
            host::fail(&why.to_string());
            1
        }
    }
}

/// Is `sgs_handle` of a plugin that was configured.
pub fn handle_with<P: Plugin>(size: usize, slot: &mut Option<P>) -> u64 {
    handle(size, |call| match slot {
        Some(plugin) => plugin.handle(call),
        None => Err(Verdict::retry("the plugin was called before it was configured")),
    })
}

/// Is `sgs_stop`.
pub fn stop<P: Plugin>(slot: &mut Option<P>) {
    if let Some(plugin) = slot {
        plugin.stop();
    }
}

pub(crate) const WRONG_CODEC: &str =
    "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build";

/// is_json tells a JSON object from a msgpack map, which never begins like one.
pub(crate) fn is_json(document: &[u8]) -> bool {
    document.first() == Some(&b'{')
}

/// install_hook says what a panic said, since the trap that it ends in has no words. A panic is not caught: the daemon
/// closes the instance, and tries the message again in another.
fn install_hook() {
    thread_local! {
        static INSTALLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if cfg!(target_arch = "wasm32") && !INSTALLED.with(|done| done.replace(true)) {
        std::panic::set_hook(Box::new(|panic| {
            let said = panic.payload();
            let text = said.downcast_ref::<&str>().copied().or_else(|| said.downcast_ref::<String>().map(String::as_str));
            let text = match panic.location() {
                Some(at) => format!("panic: {} ({}:{})", text.unwrap_or("?"), at.file(), at.line()),
                None => format!("panic: {}", text.unwrap_or("?")),
            };
            host::error(&text);
            host::fail(&text);
        }));
    }
}
