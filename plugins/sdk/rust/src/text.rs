//! What a call does most, compared and checked many bytes at a time: the host looks at each turn of a loop whether the
//! call's time is over, and that takes longer than a turn's work.

/// utf8 returns the text that the bytes are. Most are ASCII.
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    if is_ascii(bytes) {
        // ASCII is UTF-8.
        return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).ok()
}

const HIGH: u64 = 0x8080_8080_8080_8080;

fn is_ascii(bytes: &[u8]) -> bool {
    let mut seen = 0;
    let mut chunks = bytes.chunks_exact(64);
    for c in &mut chunks {
        seen |= word(c, 0) | word(c, 8) | word(c, 16) | word(c, 24) | word(c, 32) | word(c, 40) | word(c, 48) | word(c, 56);
    }
    let rest = chunks.remainder();
    let n = rest.len();
    if n >= 32 {
        seen |= word(rest, 0) | word(rest, 8) | word(rest, 16) | word(rest, 24);
    }
    if n >= 16 {
        // The last words of all, which the ones before may overlap.
        seen |= word(rest, 0) | word(rest, 8) | word(rest, n - 16) | word(rest, n - 8);
        if n >= 48 {
            seen |= word(rest, n - 32) | word(rest, n - 24);
        }
    } else if n >= 8 {
        seen |= word(rest, 0) | word(rest, n - 8);
    } else {
        seen |= short(rest);
    }
    seen & HIGH == 0
}

/// same tells whether two texts are equal.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let n = a.len();
    if n != b.len() {
        return false;
    }
    match n {
        0..=7 => short(a) == short(b),
        8..=16 => word(a, 0) == word(b, 0) && word(a, n - 8) == word(b, n - 8),
        _ => a == b,
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8) {
        Some(&[a, b, c, d, e, f, g, h]) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// short puts fewer than eight bytes into one number; those of the same length are the same where they are equal.
fn short(bytes: &[u8]) -> u64 {
    match *bytes {
        [] => 0,
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e] => u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]),
        [a, b, c, d, e, f] => u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
        [a, b, c, d, e, f, g, ..] => u64::from_le_bytes([a, b, c, d, e, f, g, 0]),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_ascii, same};

    #[test]
    fn every_byte_of_every_length_counts() {
        for n in 0..200 {
            let plain = vec![b'a'; n];
            assert!(is_ascii(&plain) && same(&plain, &plain.clone()), "{n} bytes");
            assert!(!same(&plain, &vec![b'a'; n + 1]));
            for at in 0..n {
                let mut other = plain.clone();
                other[at] = 0x80;
                assert!(!is_ascii(&other) && !same(&plain, &other), "byte {at} of {n}");
            }
        }
    }
}
