//! Lines and server-sent events, from bodies that arrive in pieces.

use std::collections::VecDeque;
use std::io::{self, Read};

use sgs::events::{Events, Lines};
use sgs::{Errno, HostError};

/// Pieces hands out one piece at a read, and then fails or ends.
struct Pieces(VecDeque<Vec<u8>>, Option<HostError>);

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Pieces(pieces, error) = self;
        match (pieces.pop_front(), error) {
            (Some(mut piece), _) => {
                let n = piece.len().min(buf.len());
                buf[..n].copy_from_slice(&piece[..n]);
                if n < piece.len() {
                    pieces.push_front(piece.split_off(n));
                }
                Ok(n)
            }
            (None, Some(e)) => Err(io::Error::new(io::ErrorKind::Other, e.clone())),
            (None, None) => Ok(0),
        }
    }
}

/// every calls f with the body in pieces of every size.
fn every(body: &[u8], f: impl Fn(Pieces)) {
    for size in (1..=7).chain([body.len().max(1)]) {
        f(Pieces(body.chunks(size).map(<[u8]>::to_vec).collect(), None));
    }
}

fn events(pieces: Pieces) -> Vec<(String, String, String)> {
    let mut events = Events::new(pieces);
    let mut all = Vec::new();
    while let Some(e) = events.next_event().unwrap() {
        all.push((e.event.into(), e.data.into(), e.id.into()));
    }
    all
}

fn event(event: &str, data: &str, id: &str) -> (String, String, String) {
    (event.into(), data.into(), id.into())
}

#[test]
fn lines_end_with_any_end() {
    every(b"one\ntwo\r\nthree\r\rfive\n\nseven\xc3\xa9", |pieces| {
        let mut lines = Lines::new(pieces);
        for want in [&b"one"[..], b"two", b"three", b"", b"five", b"", b"seven\xc3\xa9"] {
            assert_eq!(lines.next_line().unwrap(), Some(want));
        }
        assert_eq!(lines.next_line().unwrap(), None);
        assert_eq!(lines.next_line().unwrap(), None);
    });
}

#[test]
fn events_are_read_whatever_the_pieces() {
    let body = "\u{feff}: a comment\r\ndata: é😀\r\n\r\nevent: note\nid: 7\ndata:one\ndata:  two\nretry: 5\nunknown\n\ndata\n\nevent: lost\n\ndata: last\r\rdata: cut\n";
    every(body.as_bytes(), |pieces| {
        assert_eq!(
            events(pieces),
            [event("message", "é😀", ""), event("note", "one\n two", "7"), event("message", "", "7"), event("message", "last", "7")]
        );
    });
    every(b"data: a\n\ndata: cut", |pieces| assert_eq!(events(pieces), [event("message", "a", "")]));
    every(b"", |pieces| assert!(events(pieces).is_empty()));
    every(b"id: a\0b\ndata: \xff\n\n", |pieces| assert_eq!(events(pieces), [event("message", "\u{fffd}", "")]));
}

#[test]
fn an_event_is_there_before_the_next_piece_is_asked_for() {
    let broken = HostError { function: "http_read", errno: Errno::UNAVAILABLE, text: "the connection was cut".into() };
    for body in [&b"data: a\n\n"[..], b"data: a\r\n\r\n", b"data: a\r\r"] {
        let mut events = Events::new(Pieces([body.to_vec()].into(), Some(broken.clone())));
        assert_eq!(events.next_event().unwrap().unwrap().data, "a");
        assert_eq!(events.next_event(), Err(broken.clone()));
    }
}

#[test]
fn lines_and_events_are_bounded() {
    let long = || Pieces(vec![vec![b'x'; 1 << 20]; 10].into(), None);
    assert_eq!(Lines::new(long()).next_line().unwrap_err().errno, Errno::LIMIT);
    assert_eq!(Events::new(long()).next_event().unwrap_err().errno, Errno::LIMIT);
    let many = Pieces(vec![[b"data: ", vec![b'x'; 1 << 20].as_slice(), b"\n"].concat(); 10].into(), None);
    assert_eq!(Events::new(many).next_event().unwrap_err().errno, Errno::LIMIT);
}
