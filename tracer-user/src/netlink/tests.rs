//! Answers as the kernel could give them, without a kernel.

use netlink_packet_core::NLM_F_MULTIPART;

use super::*;

/// A message type of a family.
const OBJECT: u16 = 10 << 8 | 6;

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = request_message(kind, flags, sequence, payload);
    NetlinkBuffer::new(&mut message).set_flags(flags);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// The payloads in the datagrams of a dump, and how the dump ended.
fn dump(datagrams: &[Vec<u8>]) -> (Vec<Vec<u8>>, Result<bool, String>) {
    let mut answer = Answer {
        sequence: 7,
        is_dump: true,
        changed: false,
    };
    let mut payloads = Vec::new();
    let mut end = Ok(false);
    for datagram in datagrams {
        end = answer
            .take(datagram, &mut |_, payload| payloads.push(payload.to_vec()))
            .map_err(|error| error.to_string());
        if end != Ok(false) {
            break;
        }
    }
    if answer.changed && end.is_ok() {
        end = Err("changed".to_owned());
    }
    (payloads, end)
}

#[test]
fn a_dump_ends_with_done() {
    let object = |text: &[u8]| message(OBJECT, NLM_F_MULTIPART, 7, text);
    let done = message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]);
    let first = [object(b"abc"), object(b"defgh")].concat();
    let (payloads, end) = dump(&[first.clone(), object(b"i"), done.clone()]);
    assert_eq!(payloads, [&b"abc"[..], b"defgh", b"i"]);
    assert_eq!(end, Ok(true));
    // The rest of an earlier answer is skipped.
    let stale = [
        message(OBJECT, 0, 6, b"old"),
        message(NLMSG_DONE, 0, 6, &[0; 4]),
    ]
    .concat();
    assert_eq!(dump(&[stale, first, done]).0.len(), 2);
}

#[test]
fn a_dump_that_changed_or_was_refused_is_an_error() {
    let interrupted = message(OBJECT, NLM_F_MULTIPART | NLM_F_DUMP_INTR, 7, b"abcd");
    let done = message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]);
    assert_eq!(dump(&[interrupted, done]).1, Err("changed".to_owned()));
    for (code, expected) in [
        (libc::EPERM, "refuses"),
        (libc::EINTR, "changed"),
        (i32::MIN, "refuses"),
    ] {
        let code = code.checked_neg().unwrap_or(code).to_ne_bytes();
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let end = dump(&[message(kind, 0, 7, &code)]).1.unwrap_err();
            assert!(end.contains(expected), "{end}");
        }
    }
}

#[test]
fn broken_answers_are_refused_at_every_length() {
    let whole = [
        message(OBJECT, NLM_F_MULTIPART, 7, b"abcd"),
        message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]),
    ]
    .concat();
    for end in 1..whole.len() {
        let (payloads, end_seen) = dump(&[whole[..end].to_vec()]);
        assert!(payloads.len() <= 1);
        assert_ne!(end_seen, Ok(true), "up to byte {end}");
    }
}
