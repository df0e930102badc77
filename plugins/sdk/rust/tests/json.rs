//! The JSON reader and writer, against RFC 8259.

use sgs::json::{object, Json};

fn rewritten(text: &str) -> String {
    match Json::read(text) {
        Ok(json) => json.to_string(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn what_is_read_is_written_again() {
    for (text, want) in [
        (" { \"a\\u0062\" : [ 1 , -2.5E1 , true , false , null ] } \n", r#"{"ab":[1,-2.5E1,true,false,null]}"#),
        (r#""\ud83d\ude00\n\/\"\\\b\f\r\t\u0000é""#, "\"😀\\n/\\\"\\\\\\u0008\\u000c\\r\\t\\u0000é\""),
        (
            r#"["\ud83d","\ude00","\ud83dx","\ud83d\u0041","\ud83d\ud83d\ude00"]"#,
            "[\"\u{fffd}\",\"\u{fffd}\",\"\u{fffd}x\",\"\u{fffd}A\",\"\u{fffd}😀\"]",
        ),
        ("[18446744073709551616,1e400,-0,0.10,1E+2]", "[18446744073709551616,1e400,-0,0.10,1E+2]"),
        (r#"{"a":1,"a":2,"":{}}"#, r#"{"a":1,"a":2,"":{}}"#),
        ("[[],{},\"\",\"\u{7f}\"]", "[[],{},\"\",\"\u{7f}\"]"),
    ] {
        assert_eq!(rewritten(text), want, "{text}");
    }
}

#[test]
fn what_is_malformed_is_an_error() {
    for text in [
        "",
        " ",
        "nul",
        "truee",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "{1:1}",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u00g0\"",
        "\"\\u+123\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\t\"",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "1 2",
        "[]]",
        "NaN",
        "Infinity",
        "'a'",
        "\u{feff}1",
        "\u{a0}1",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "]",
        "}",
        ",",
    ] {
        assert!(Json::read(text).is_err(), "{text:?} is read");
    }
    assert_eq!(rewritten("[1,\n}"), "not JSON: no value at byte 4");
}

#[test]
fn the_depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |n: usize| open.repeat(n) + "1" + &close.repeat(n);
        assert_eq!(rewritten(&nested(256)), nested(256));
        assert!(Json::read(&nested(257)).is_err());
        assert!(Json::read(&open.repeat(1 << 20)).is_err());
    }
    let beside = "[".to_string() + &"[],{},".repeat(1000) + "1]";
    assert_eq!(rewritten(&beside), beside);
}

#[test]
fn values_are_found() {
    let json = Json::read(r#"{"a":[1,-2.5,{"b":"x"}],"n":9223372036854775807,"t":true,"d":1,"d":"2"}"#).unwrap();
    assert_eq!(json.get("a").unwrap().at(2).unwrap().text("b"), "x");
    assert_eq!(json.get("a").unwrap().at(1).unwrap().as_f64(), Some(-2.5));
    assert_eq!(json.get("a").unwrap().at(1).unwrap().as_i64(), None);
    assert_eq!(json.get("n").unwrap().as_i64(), Some(i64::MAX));
    assert_eq!(json.get("t").unwrap().as_bool(), Some(true));
    assert_eq!(json.text("d"), "2");
    assert_eq!((json.text("none"), json.get("a").unwrap().at(3), json.at(0)), ("", None, None));
}

#[test]
fn objects_are_written() {
    let got = object(|o| {
        o.text("a\"", "\u{1}")
            .int("i", i64::MIN)
            .float("f", 1.0)
            .float("g", 1e300)
            .float("h", f64::NAN)
            .bool("b", true)
            .null("n");
        o.array("l", |l| {
            l.text("x").int(1).bool(false).null().float(0.5).value(&Json::read("{}").unwrap());
            l.array(|l| {
                l.int(1);
            })
            .object(|o| {
                o.int("z", 1).int("y", 2);
            });
        });
        o.object("o", |_| {}).value("v", &Json::read("[1]").unwrap());
    });
    assert_eq!(
        got,
        r#"{"a\"":"\u0001","i":-9223372036854775808,"f":1.0,"g":1e300,"h":null,"b":true,"n":null,"l":["x",1,false,null,0.5,{},[1],{"z":1,"y":2}],"o":{},"v":[1]}"#
    );
    assert_eq!(rewritten(&got), got);
}

/// Documents that are cut and changed at random are read or refused, and what is read can be written and read again.
#[test]
fn nothing_makes_the_reader_trap() {
    let seeds = [
        r#"{"a":[1,-2.5e3,null,true,"\ud83d\ude00é\n"],"b":{"c":{}}}"#,
        r#"[[[["\u00e9"]]],{"x":"\\\""},18446744073709551615,0.1E-7]"#,
    ];
    let mut random = 88172645463325252u64;
    let mut next = move |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n as u64) as usize
    };
    let mut well = 0;
    for i in 0..200_000 {
        let mut text = seeds[i % 2].as_bytes().to_vec();
        for _ in 0..=next(3) {
            let at = next(text.len());
            match next(4) {
                0 => text.truncate(at + 1),
                1 => text[at] = b"\"\\{}[]:,0e.-u \n\xc3"[next(16)],
                2 => text.insert(at, b"\"\\{}[]:,0e.-u \n\xc3"[next(16)]),
                _ => drop(text.remove(at)),
            }
            if text.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text);
        if let Ok(json) = Json::read(&text) {
            well += 1;
            let written = json.to_string();
            assert_eq!(Json::read(&written).as_ref(), Ok(&json), "{text}");
        }
    }
    assert!(well > 1000, "only {well} documents were JSON: the changes are too wild");
}
