//! The msgpack reader.

use sgs::{Kind, Value};

fn read(document: &[u8]) -> Value<'_> {
    Value::read(document).unwrap_or_else(|e| panic!("{document:x?}: {e}"))
}

#[test]
fn every_type_is_read() {
    for (document, want) in [
        (&b"\x00"[..], 0i128),
        (b"\x7f", 127),
        (b"\xff", -1),
        (b"\xe0", -32),
        (b"\xcc\xff", 255),
        (b"\xcd\xff\xff", 65535),
        (b"\xce\xff\xff\xff\xff", 0xffff_ffff),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX.into()),
        (b"\xd0\x80", -128),
        (b"\xd1\x80\x00", -32768),
        (b"\xd2\x80\x00\x00\x00", i32::MIN.into()),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", i64::MIN.into()),
    ] {
        let value = read(document);
        assert_eq!(value.kind(), Kind::Int);
        assert_eq!((value.as_i64(), value.as_u64()), (i64::try_from(want).ok(), u64::try_from(want).ok()), "{want}");
        assert_eq!(value.as_f64(), Some(want as f64));
    }
    assert_eq!(read(b"\xca\x3f\x80\x00\x00").as_f64(), Some(1.0));
    assert_eq!(read(b"\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00").as_f64(), Some(-1.5));
    assert_eq!((read(b"\xc2").as_bool(), read(b"\xc3").as_bool(), read(b"\xc0").is_nil()), (Some(false), Some(true), true));
    for document in [&b"\xa2hi"[..], b"\xd9\x02hi", b"\xda\x00\x02hi", b"\xdb\x00\x00\x00\x02hi"] {
        assert_eq!((read(document).as_str(), read(document).as_bytes()), (Some("hi"), Some(&b"hi"[..])));
    }
    for document in [&b"\xc4\x02hi"[..], b"\xc5\x00\x02hi", b"\xc6\x00\x00\x00\x02hi"] {
        assert_eq!((read(document).as_str(), read(document).as_bytes()), (None, Some(&b"hi"[..])));
    }
    for document in [&b"\xd5\xffhi"[..], b"\xc7\x02\xffhi", b"\xc8\x00\x02\xffhi", b"\xc9\x00\x00\x00\x02\xffhi"] {
        assert_eq!(read(document).as_ext(), Some((-1, &b"hi"[..])));
    }
    assert_eq!(read(b"\xa2\xff\xfe").as_str(), None);
}

#[test]
fn what_is_inside_is_found() {
    // {"a": [1, {"b": "x"}], 7: nil, "bin": bin, "a": 2}
    let document = b"\x84\xa1a\x92\x01\x81\xa1b\xa1x\x07\xc0\xa3bin\xc4\x01\x00\xa1a\x02";
    let value = read(document);
    assert_eq!(value.get("a").unwrap().at(1).unwrap().text("b"), "x");
    assert_eq!((value.text("a"), value.text("none"), value.len(), value.is_empty()), ("", "", 4, false));
    assert_eq!(value.get("bin").unwrap().raw(), b"\xc4\x01\x00");
    assert!(value.get("a").unwrap().at(2).is_none() && value.at(0).is_none() && value.get("a").unwrap().get("b").is_none());
    let keys: Vec<_> = value.entries().map(|(key, _)| key.as_str().unwrap_or("-")).collect();
    assert_eq!(keys, ["a", "-", "bin", "a"]);
    assert_eq!(value.get("a").unwrap().items().count(), 2);
    for wide in [&b"\xdc\x00\x01\xc0"[..], b"\xdd\x00\x00\x00\x01\xc0"] {
        assert!(read(wide).at(0).unwrap().is_nil());
    }
    for wide in [&b"\xde\x00\x01\xa1a\xc0"[..], b"\xdf\x00\x00\x00\x01\xa1a\xc0"] {
        assert!(read(wide).get("a").unwrap().is_nil());
    }
}

#[test]
fn what_is_cut_or_lies_about_its_size_is_refused() {
    let whole = b"\x87\xa1a\x92\x01\x81\xa1b\xa1x\x07\xc0\xa3bin\xc4\x01\x00\xa1f\xcb\0\0\0\0\0\0\0\0\xa1e\xc7\x01\x01z\xa1n\xd2\0\0\0\0\xa1m\xd9\x01x";
    read(whole);
    for n in 0..whole.len() {
        assert!(Value::read(&whole[..n]).is_err(), "{n} bytes are read");
    }
    for bad in [
        &b"\xc1"[..],
        b"\xc0\xc0",
        b"\xdb\xff\xff\xff\xffa",
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\xc0",
        b"\xdf\xff\xff\xff\xff\xc0",
        b"\xdf\x80\x00\x00\x00\xc0",
        b"\xc9\xff\xff\xff\xff\x00",
    ] {
        assert!(Value::read(bad).is_err(), "{bad:x?}");
    }
    let deep = [vec![0x91; 1 << 20], vec![0xc0]].concat();
    assert!(read(&deep).at(0).is_some());
}

/// walk asks a value for everything, with all that is inside of it.
fn walk(value: Value<'_>, depth: usize) -> usize {
    let seen = value.as_str().map_or(0, str::len)
        + value.as_bytes().map_or(0, <[u8]>::len)
        + value.as_ext().map_or(0, |(_, b)| b.len());
    let _ = (
        value.as_i64(),
        value.as_u64(),
        value.as_f64(),
        value.as_bool(),
        value.get("a").map(Value::raw),
        value.at(1).map(Value::raw),
    );
    if depth == 0 {
        return seen;
    }
    let items = value.items().map(|item| walk(item, depth - 1)).sum::<usize>();
    seen + items + value.entries().map(|(key, member)| walk(key, depth - 1) + walk(member, depth - 1)).sum::<usize>()
}

#[test]
fn nothing_makes_the_reader_trap() {
    let seed = b"\x87\xa1a\x92\x01\x81\xa1b\xa1x\x07\xc0\xa3bin\xc4\x01\x00\xa1f\xcb\0\0\0\0\0\0\0\0\xa1e\xc7\x01\x01z\xa1n\xd2\0\0\0\0\xa1m\xd9\x01x";
    let mut random = 88172645463325252u64;
    let mut next = move |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n as u64) as usize
    };
    let mut well = 0;
    for _ in 0..300_000 {
        let mut document = seed.to_vec();
        for _ in 0..=next(3) {
            let at = next(document.len());
            document[at] = next(256) as u8;
        }
        document.truncate(document.len() - next(2) * next(document.len()));
        if let Ok(value) = Value::read(&document) {
            well += 1;
            walk(value, 8);
        }
    }
    assert!(well > 1000, "only {well} documents were msgpack: the changes are too wild");
}
