use std::time::Duration;

use crate::host;

/// What a plugin says of a message: `Ok(())` is done, and everything else is a [`Verdict`].
pub type Outcome = Result<(), Verdict>;

/// What is to become of a message that is not done.
///
/// `?` makes one of every error: another try at the daemon's pace, with the error's text as the reason.
#[derive(Debug)]
pub struct Verdict {
    status: u32,
    after_ms: u32,
    reason: String,
}

const RETRY: u32 = 1;
const REJECT: u32 = 2;
const DROP: u32 = 3;

impl Verdict {
    /// Asks for another try of the message, at the daemon's pace. After the last of its attempts it goes to the dead
    /// letters with the reason.
    pub fn retry(reason: impl Into<String>) -> Verdict {
        Verdict { status: RETRY, after_ms: 0, reason: reason.into() }
    }

    /// Sends the message to the dead letters at once, with the reason.
    pub fn reject(reason: impl Into<String>) -> Verdict {
        Verdict { status: REJECT, after_ms: 0, reason: reason.into() }
    }

    /// Acknowledges the message and writes nothing, not even what has been emitted.
    pub fn drop() -> Verdict {
        Verdict { status: DROP, after_ms: 0, reason: String::new() }
    }

    /// Lets the next try come no sooner than after `wait`: in milliseconds, at most 49 days. 0 leaves it to the daemon.
    pub fn after(mut self, wait: Duration) -> Verdict {
        self.after_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// pack hands the reason over, and returns what `sgs_handle` returns.
    pub(crate) fn pack(&self) -> u64 {
        if !self.reason.is_empty() {
            host::fail(&self.reason);
        }
        u64::from(self.status) << 32 | u64::from(self.after_ms)
    }
}

impl<E: std::error::Error> From<E> for Verdict {
    fn from(error: E) -> Verdict {
        Verdict::retry(error.to_string())
    }
}
