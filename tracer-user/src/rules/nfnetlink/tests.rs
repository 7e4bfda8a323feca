//! Answers as the kernel could give them, without a kernel.

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
};

use super::{
    netlink::{Answer, HEADER_BYTES},
    *,
};

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; HEADER_BYTES];
    message.extend(payload);
    let bytes = u32::try_from(message.len()).unwrap();
    let mut header = NetlinkBuffer::new(&mut message);
    header.set_length(bytes);
    header.set_message_type(kind);
    header.set_flags(flags);
    header.set_sequence_number(sequence);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// What the datagrams of a dump amount to: the payloads, and how it ended.
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
            .map_err(|failure| NfnetlinkError::from(failure).to_string());
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
    let rule = |text: &[u8]| message(SUBSYSTEM | 6, NLM_F_MULTIPART, 7, text);
    let done = message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]);
    let first = [rule(b"abc"), rule(b"defgh")].concat();
    let (payloads, end) = dump(&[first.clone(), rule(b"i"), done.clone()]);
    assert_eq!(payloads, [&b"abc"[..], b"defgh", b"i"]);
    assert_eq!(end, Ok(true));
    // What another question left behind is no part of it.
    let stale = [
        message(SUBSYSTEM | 6, 0, 6, b"old"),
        message(NLMSG_DONE, 0, 6, &[0; 4]),
    ]
    .concat();
    assert_eq!(dump(&[stale, first, done]).0.len(), 2);
}

#[test]
fn changes_and_errors_are_told() {
    let interrupted = message(SUBSYSTEM | 6, NLM_F_MULTIPART | NLM_F_DUMP_INTR, 7, b"abcd");
    let done = message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]);
    assert_eq!(dump(&[interrupted, done]).1, Err("changed".to_owned()));
    for (code, expected) in [
        (libc::EPERM, "CAP_NET_ADMIN"),
        (libc::EINTR, "changed"),
        (i32::MIN, "ask"),
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
        message(SUBSYSTEM | 6, NLM_F_MULTIPART, 7, b"abcd"),
        message(NLMSG_DONE, NLM_F_MULTIPART, 7, &[0; 4]),
    ]
    .concat();
    for end in 1..whole.len() {
        let (payloads, end_seen) = dump(&[whole[..end].to_vec()]);
        assert!(payloads.len() <= 1);
        assert_ne!(end_seen, Ok(true), "up to byte {end}");
    }
}

#[test]
fn a_question_is_a_request_with_its_names() {
    let question = Question {
        kind: GET_CHAIN,
        family: IPV6,
        flags: NLM_F_DUMP,
        names: &[(1, "nat"), (3, "KUBE-SERVICES")],
    };
    let bytes = netlink::question(question.kind, question.flags, 9, &question.body());
    let message = NetlinkBuffer::new_checked(&bytes[..]).unwrap();
    assert_eq!(message.flags(), NLM_F_REQUEST | NLM_F_DUMP);
    assert_eq!(
        (message.message_type(), message.sequence_number()),
        (GET_CHAIN, 9)
    );
    let expected = b"\x0a\0\0\0\x08\0\x01\0nat\0\x12\0\x03\0KUBE-SERVICES\0\0\0";
    assert_eq!(message.payload(), expected);
}
