//! Fragments that were lost or cut, and what is still known after them.

use super::{
    frame_sequences::{OK, grpc_status},
    *,
};
use Direction::{ToClient, ToServer};

/// `:path: /p` with incremental indexing, and the request that refers to it.
const ADD_PATH: &[u8] = &[0x82, 0x86, 0x44, 2, b'/', b'p'];
const USE_PATH: &[u8] = &[0x82, 0x86, 0xbe];

/// After a loss the direction is desynchronised: references to older entries are unknown, all else
/// is known, and the other direction is unaffected.
#[test]
fn a_loss_desynchronises_one_direction_until_the_next_block() {
    let mut captured = fragments(&[
        (ToServer, wire::headers(5, 1, ADD_PATH)),
        (ToClient, wire::headers(5, 1, &[0x48, 3, b'2', b'0', b'1'])),
        (ToServer, wire::headers(5, 3, USE_PATH)),
        (ToServer, wire::headers(5, 5, USE_PATH)),
        (ToClient, wire::headers(5, 5, &[0xbe])),
        (ToServer, wire::headers(5, 7, ADD_PATH)),
        (ToServer, wire::headers(5, 9, USE_PATH)),
    ]);
    captured.remove(2);
    captured[2].lost_before = true;
    let mut connection = Http2Connection::new(Start::Preface);
    assert_eq!(
        lines(&mut connection, &captured),
        [
            "request 1 GET /p - end",
            "response 1 201 end",
            "desynchronised ToServer: fragments were lost",
            "request 5 GET ? - end incomplete",
            "response 5 201 end",
            "request 7 GET /p - end",
            "request 9 GET /p - end",
        ]
    );
    assert!(!connection.synchronised(ToServer) && connection.synchronised(ToClient));
    assert_eq!(connection.counts().desynchronised, 1);
    assert_eq!(connection.counts().blocks_incomplete, 1);
}

/// A block without its end still opens its stream, which is then answered.
#[test]
fn the_start_of_a_cut_block_is_reported() {
    let mut captured = fragments(&[
        (ToServer, wire::headers(0, 1, ADD_PATH)),
        (ToServer, wire::continuation(4, 1, USE_PATH)),
        (ToServer, wire::headers(5, 3, USE_PATH)),
        (ToClient, wire::headers(5, 1, OK)),
    ]);
    captured.remove(1);
    captured[1].lost_before = true;
    assert_eq!(
        lines(&mut Http2Connection::new(Start::Preface), &captured),
        [
            "request 1 GET /p - incomplete",
            "late 1",
            "desynchronised ToServer: fragments were lost",
            "request 3 GET ? - end incomplete",
            "response 1 200 end",
        ]
    );
    // The same when the capture was cut.
    let mut captured = fragments(&[
        (
            ToServer,
            wire::headers(5, 1, &[ADD_PATH.to_vec(), grpc_status("0")].concat()),
        ),
        (ToServer, wire::headers(5, 3, USE_PATH)),
    ]);
    captured[0].cut = true;
    captured[0].bytes.truncate(9 + ADD_PATH.len() + 5);
    assert_eq!(
        lines(&mut Http2Connection::new(Start::Preface), &captured),
        [
            "request 1 GET /p - end incomplete",
            "desynchronised ToServer: header block was cut",
            "request 3 GET ? - end incomplete",
        ]
    );
}
