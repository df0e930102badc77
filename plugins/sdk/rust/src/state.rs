use std::marker::PhantomData;
use std::time::Duration;

use crate::host::{check, imports};
use crate::{Errno, HostError};

/// What the plugin keeps in Redis: values under keys, the same for all its instances, and for no other plugin.
///
/// What is set is written together with what is emitted, when the message is done. If by then another call has changed
/// a key that this one has read, nothing is written and the message is handled again. So to read a value, change it and
/// set it is safe, however many messages are handled at the same time.
#[derive(Clone, Copy)]
pub struct State<'a> {
    call: PhantomData<&'a ()>,
}

/// The room that a value is given before its length is known, in bytes.
const FIRST_READ: usize = 256;

impl<'a> State<'a> {
    pub(crate) fn new() -> State<'a> {
        State { call: PhantomData }
    }

    /// The value of a key, or `None` if there is none. What the call itself has set, it sees. A call may read 64 keys
    /// and 4 MiB.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, HostError> {
        let key = key.as_ref();
        let mut value = vec![0; FIRST_READ];
        loop {
            let result = unsafe { imports::kv_get(key.as_ptr(), key.len(), value.as_mut_ptr(), value.len()) };
            match check("kv_get", result) {
                Ok(n) if n <= value.len() => {
                    value.truncate(n);
                    return Ok(Some(value));
                }
                Ok(n) => value = vec![0; n], // the call's view does not change: now it fits
                Err(e) if e.errno == Errno::NOT_FOUND => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// Keeps a value under a key until it is set again or deleted. A key has 1 to 512 bytes, a value 1 MiB at most, and
    /// a call may set and delete 64 keys with 4 MiB together.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.write(key.as_ref(), value.as_ref(), 0)
    }

    /// [`set`](State::set) for a value that expires that long after the message is done: in whole milliseconds, one at
    /// least, and at most 3650 days.
    pub fn set_for(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), HostError> {
        let ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.write(key.as_ref(), value.as_ref(), ms.max(1))
    }

    /// Removes a key. It is no error if there is none.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.write(key.as_ref(), &[], -1)
    }

    fn write(&self, key: &[u8], value: &[u8], ttl_ms: i64) -> Result<(), HostError> {
        let result = unsafe { imports::kv_set(key.as_ptr(), key.len(), value.as_ptr(), value.len(), ttl_ms) };
        check("kv_set", result).map(|_| ())
    }
}
