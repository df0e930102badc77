//! The daemon's functions, and the errors that they answer with.

use std::fmt;

#[cfg(target_arch = "wasm32")]
pub(crate) mod imports {
    #[link(wasm_import_module = "sgs_v1")]
    extern "C" {
        pub fn log(level: u32, text: *const u8, size: usize);
        pub fn fail(text: *const u8, size: usize);
        pub fn emit(document: *const u8, size: usize) -> i32;
        pub fn deadline_ms() -> i64;
        pub fn kv_get(key: *const u8, key_size: usize, buf: *mut u8, room: usize) -> i32;
        pub fn kv_set(key: *const u8, key_size: usize, value: *const u8, size: usize, ttl_ms: i64) -> i32;
        pub fn metric_add(name: *const u8, size: usize, n: i64) -> i32;
        pub fn http_open(document: *const u8, size: usize) -> i32;
        pub fn http_head(handle: i32, buf: *mut u8, room: usize) -> i32;
        pub fn http_read(handle: i32, buf: *mut u8, room: usize) -> i32;
        pub fn http_close(handle: i32);
    }
}

/// Natively, as in `cargo test`, there is no daemon: everything is denied, and what is logged goes to standard error.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod imports {
    const DENIED: i32 = -2;
    pub unsafe fn log(_: u32, text: *const u8, size: usize) {
        eprintln!("{}", String::from_utf8_lossy(std::slice::from_raw_parts(text, size)));
    }
    pub unsafe fn fail(text: *const u8, size: usize) {
        log(0, text, size)
    }
    pub unsafe fn emit(_: *const u8, _: usize) -> i32 {
        DENIED
    }
    pub unsafe fn deadline_ms() -> i64 {
        0
    }
    pub unsafe fn kv_get(_: *const u8, _: usize, _: *mut u8, _: usize) -> i32 {
        DENIED
    }
    pub unsafe fn kv_set(_: *const u8, _: usize, _: *const u8, _: usize, _: i64) -> i32 {
        DENIED
    }
    pub unsafe fn metric_add(_: *const u8, _: usize, _: i64) -> i32 {
        DENIED
    }
    pub unsafe fn http_open(_: *const u8, _: usize) -> i32 {
        DENIED
    }
    pub unsafe fn http_head(_: i32, _: *mut u8, _: usize) -> i32 {
        DENIED
    }
    pub unsafe fn http_read(_: i32, _: *mut u8, _: usize) -> i32 {
        DENIED
    }
    pub unsafe fn http_close(_: i32) {}
}

/// The number of a refusal or failure. The contract's have names; there may be others, all less than 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

impl Errno {
    /// Something is malformed, lacks what it must have, or does not exist.
    pub const INVALID: Errno = Errno(-1);
    /// The operator's policy, or the moment, does not allow it.
    pub const DENIED: Errno = Errno(-2);
    /// A limit is reached.
    pub const LIMIT: Errno = Errno(-3);
    /// Pointer and length lie outside of the memory.
    pub const FAULT: Errno = Errno(-4);
    /// The call's deadline has passed, or its message went to another worker.
    pub const CANCELLED: Errno = Errno(-5);
    /// There is no such key.
    pub const NOT_FOUND: Errno = Errno(-6);
    /// Redis, or a server, did not answer; another try may find it well.
    pub const UNAVAILABLE: Errno = Errno(-7);
}

impl fmt::Display for Errno {
    /// Writes the number's name in the contract, such as `EINVALID`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Errno::INVALID => "EINVALID",
            Errno::DENIED => "EDENIED",
            Errno::LIMIT => "ELIMIT",
            Errno::FAULT => "EFAULT",
            Errno::CANCELLED => "ECANCELLED",
            Errno::NOT_FOUND => "ENOTFOUND",
            Errno::UNAVAILABLE => "EUNAVAILABLE",
            Errno(n) => return write!(f, "errno {}", n),
        })
    }
}

/// Why the daemon refused something, or could not do it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostError {
    /// The contract's name of what was asked for, such as `kv_get`.
    pub function: &'static str,
    /// What kind of refusal it is.
    pub errno: Errno,
    /// The daemon's reason in one line, where it gives one (for HTTP it does); or empty. Its log says more.
    pub text: String,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.errno)?;
        match self.text.as_str() {
            "" => Ok(()),
            text => write!(f, ": {}", text),
        }
    }
}

impl std::error::Error for HostError {}

/// check makes an error of a negative result, and a size of any other.
pub(crate) fn check(function: &'static str, result: i32) -> Result<usize, HostError> {
    match usize::try_from(result) {
        Ok(n) => Ok(n),
        Err(_) => Err(HostError { function, errno: Errno(result), text: String::new() }),
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// For who looks for a fault.
    Debug,
    /// What is worth knowing.
    Info,
    /// What is odd.
    Warn,
    /// What is wrong.
    Error,
}

/// Writes a line to the daemon's log, with the plugin's name and the message's trace id. What is longer than 16 KiB is
/// cut.
pub fn log(level: Level, text: &str) {
    unsafe { imports::log(level as u32, text.as_ptr(), text.len()) }
}

/// [`log`] at the level debug.
pub fn debug(text: &str) {
    log(Level::Debug, text)
}

/// [`log`] at the level info.
pub fn info(text: &str) {
    log(Level::Info, text)
}

/// [`log`] at the level warn.
pub fn warn(text: &str) {
    log(Level::Warn, text)
}

/// [`log`] at the level error. It does not fail the message: return an error for that.
pub fn error(text: &str) {
    log(Level::Error, text)
}

/// Says why, should the call end in a trap or a verdict without a reason. A [`Verdict`](crate::Verdict)'s own reason
/// comes later and takes its place.
pub fn fail(text: &str) {
    unsafe { imports::fail(text.as_ptr(), text.len()) }
}

/// Adds `n`, 0 or more, to a counter of the plugin's own, which the daemon's metrics show as
/// `sgstreamd_plugin_custom_total`. A name has 1 to 64 characters of `a` to `z`, `0` to `9` and `_`, and a plugin can
/// have 100 of them. It counts at once, and each time that a message is tried.
pub fn count(name: &str, n: i64) -> Result<(), HostError> {
    let result = unsafe { imports::metric_add(name.as_ptr(), name.len(), n) };
    check("metric_add", result).map(|_| ())
}
