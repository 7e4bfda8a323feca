//! Sequences of frames, and the events that they must yield.

use super::*;
use Direction::{ToClient, ToServer};

const GET: &[u8] = &[0x82, 0x86, 0x84]; // GET http /
const POST: &[u8] = &[0x83, 0x86, 0x84];
pub(super) const OK: &[u8] = &[0x88]; // 200

fn check(start: Start, frames: &[(Direction, Vec<u8>)], expected: &[&str]) -> Http2Connection {
    let mut connection = Http2Connection::new(start);
    assert_eq!(lines(&mut connection, &fragments(frames)), expected);
    connection
}

/// `:status` with a literal value, and `grpc-status`, which is not in the static table.
fn status(status: &str) -> Vec<u8> {
    [&[0x08, status.len() as u8], status.as_bytes()].concat()
}

pub(super) fn grpc_status(code: &str) -> Vec<u8> {
    [
        &[0x00, 11],
        &b"grpc-status"[..],
        &[code.len() as u8],
        code.as_bytes(),
    ]
    .concat()
}

fn grpc_content() -> Vec<u8> {
    [&[0x0f, 16, 16], &b"application/grpc"[..]].concat()
}

#[test]
fn streams_may_interleave() {
    check(
        Start::Preface,
        &[
            (ToServer, wire::frame(4, 0, 0, &[])),
            (ToServer, wire::headers(5, 1, GET)),
            (ToServer, wire::headers(4, 3, POST)),
            (ToClient, wire::headers(4, 3, OK)),
            (ToServer, wire::headers(5, 5, GET)),
            (ToClient, wire::headers(5, 1, &status("404"))),
            (ToClient, wire::headers(5, 3, &grpc_status("0"))),
            (ToClient, wire::headers(4, 5, OK)),
            (ToClient, wire::frame(0, 0, 5, b"body")),
            (ToClient, wire::frame(0, 1, 5, b"")),
            (ToServer, wire::headers(5, 7, GET)),
            (ToClient, wire::headers(4, 7, OK)),
            (ToClient, wire::frame(0, 1, 7, b"the last frame with bytes")),
            (ToServer, wire::frame(3, 0, 7, &[0, 0, 0, 8])),
        ],
        &[
            "request 1 GET / - end",
            "request 3 POST / -",
            "response 3 200",
            "request 5 GET / - end",
            "response 1 404 end",
            "trailers 3 grpc=0",
            "response 5 200",
            "end 5",
            "request 7 GET / - end",
            "response 7 200",
            "end 7",
        ],
    );
}

/// The sequence number is that of the frame header, also when the block spans two frames.
#[test]
fn events_carry_the_sequence_number_of_their_frame() {
    let frames = [
        (ToServer, wire::headers(5, 1, GET)),
        (ToServer, wire::headers(0, 3, &GET[..1])),
        (ToServer, wire::continuation(4, 3, &GET[1..])),
        (ToClient, wire::headers(5, 1, OK)),
    ];
    let events = feed(
        &mut Http2Connection::new(Start::Preface),
        &fragments(&frames),
    );
    let seqs: Vec<u32> = events
        .iter()
        .map(|event| match event {
            Event::Request { seq, .. } | Event::Response { seq, .. } => *seq,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seqs, [1000, 1012, 5000]);
}

#[test]
fn interim_responses_come_before_the_final_one() {
    check(
        Start::Preface,
        &[
            (ToServer, wire::headers(5, 1, GET)),
            (ToClient, wire::headers(4, 1, &status("100"))),
            (ToClient, wire::headers(4, 1, &status("103"))),
            (ToClient, wire::headers(4, 1, OK)),
        ],
        &[
            "request 1 GET / - end",
            "interim 1 Some(100)",
            "interim 1 Some(103)",
            "response 1 200",
        ],
    );
}

/// A gRPC error without a message: response headers that are also the trailers and end the stream.
#[test]
fn trailers_only_responses_carry_the_status() {
    let block = [OK.to_vec(), grpc_content(), grpc_status("12")].concat();
    let connection = check(
        Start::Preface,
        &[
            (
                ToServer,
                wire::headers(4, 1, &[POST.to_vec(), grpc_content()].concat()),
            ),
            (ToClient, wire::headers(5, 1, &block)),
            (ToClient, wire::headers(5, 1, &grpc_status("0"))),
        ],
        &["request 1 POST / -", "response 1 200 grpc=12 end"],
    );
    assert_eq!(connection.counts().blocks_unmatched, 1);
}

#[test]
fn a_reset_ends_its_stream() {
    let cancel = [0, 0, 0, 8];
    check(
        Start::Preface,
        &[
            (ToServer, wire::headers(4, 1, POST)),
            (ToServer, wire::headers(4, 3, POST)),
            (ToServer, wire::frame(3, 0, 1, &cancel)),
            (ToClient, wire::frame(3, 0, 1, &cancel)),
            (ToClient, wire::frame(3, 0, 3, &[0, 0, 0, 7])),
            (ToClient, wire::headers(5, 3, OK)),
        ],
        &[
            "request 1 POST / -",
            "request 3 POST / -",
            "reset 1 ToServer 8",
            "reset 3 ToClient 7",
        ],
    );
}

/// A server's graceful shutdown: a first GOAWAY for all streams, then one that ends those it
/// refuses.
#[test]
fn goaway_ends_the_streams_after_the_last() {
    let goaway = |last: u32, code: u32| {
        let payload = [
            &last.to_be_bytes()[..],
            &code.to_be_bytes(),
            b"some debug data",
        ]
        .concat();
        wire::frame(7, 0, 0, &payload)
    };
    check(
        Start::Preface,
        &[
            (ToServer, wire::headers(5, 1, GET)),
            (ToServer, wire::headers(5, 3, GET)),
            (ToServer, wire::headers(5, 5, GET)),
            (ToClient, goaway(0x7fff_ffff, 0)),
            (ToClient, goaway(1, 0)),
            (ToClient, wire::headers(5, 1, OK)),
            (ToServer, goaway(0, 0)),
        ],
        &[
            "request 1 GET / - end",
            "request 3 GET / - end",
            "request 5 GET / - end",
            "goaway 2147483647 0",
            "refused 3 0",
            "refused 5 0",
            "goaway 1 0",
            "response 1 200 end",
            "goaway 0 0",
        ],
    );
}

/// The request of stream 1 came in HTTP/1.1; its response comes in HTTP/2.
#[test]
fn an_upgraded_connection_starts_with_a_response_on_stream_1() {
    check(
        Start::Upgraded,
        &[
            (ToServer, wire::headers(5, 3, GET)),
            (ToClient, wire::headers(4, 1, OK)),
            (ToClient, wire::headers(5, 3, OK)),
        ],
        &[
            "request 3 GET / - end",
            "response 1 200",
            "response 3 200 end",
        ],
    );
}

/// Request trailers change nothing, and a pushed response belongs to no request, but its promise
/// changes the compression state.
#[test]
fn request_trailers_and_pushes_are_skipped() {
    let promise = [&[0, 0, 0, 2][..], &[0x82, 0x86, 0x44, 2, b'/', b'p']].concat();
    let connection = check(
        Start::Preface,
        &[
            (ToServer, wire::headers(4, 1, POST)),
            (ToServer, wire::headers(5, 1, &grpc_status("0"))),
            (ToClient, wire::frame(5, 4, 1, &promise)),
            (ToClient, wire::headers(4, 2, OK)),
            // The promised path, by its index: malformed in a response, but decoded.
            (ToClient, wire::headers(5, 1, &[0x88, 0xbe])),
        ],
        &["request 1 POST / -"],
    );
    let counts = connection.counts();
    assert_eq!((counts.blocks_malformed, counts.desynchronised), (1, 0));
}

/// Settings of one side limit the table of the other side's encoder.
#[test]
fn settings_apply_to_the_other_direction() {
    let table = |bytes: u32| {
        let mut payload = vec![0, 1];
        payload.extend(bytes.to_be_bytes());
        wire::frame(4, 0, 0, &payload)
    };
    let resize_8192 = [0x3f, 0xe1, 0x3f];
    let response = [&resize_8192[..], OK].concat();
    check(
        Start::Preface,
        &[
            (ToServer, table(8192)),
            (ToServer, wire::headers(5, 1, GET)),
            (ToClient, wire::headers(5, 1, &response)),
        ],
        &["request 1 GET / - end", "response 1 200 end"],
    );
    check(
        Start::Preface,
        &[
            (ToClient, table(8192)),
            (ToServer, wire::headers(5, 1, GET)),
            (ToClient, wire::headers(5, 1, &response)),
        ],
        &[
            "request 1 GET / - end",
            "response 1 ? end incomplete",
            "desynchronised ToClient: size update exceeds what the receiver's settings allow",
        ],
    );
}

/// The end of long SETTINGS is not captured, and may allow a larger table.
#[test]
fn settings_that_are_cut_may_allow_anything() {
    let other = [0, 3, 0, 0, 0, 100];
    let settings = [&other[..], &other, &other, &[0, 1, 0, 0, 0x20, 0]].concat();
    let resize_8192 = [&[0x3f, 0xe1, 0x3f], OK].concat();
    check(
        Start::Preface,
        &[
            (ToServer, wire::frame(4, 0, 0, &settings)),
            (ToServer, wire::headers(5, 1, GET)),
            (ToClient, wire::headers(5, 1, &resize_8192)),
        ],
        &["request 1 GET / - end", "response 1 200 end"],
    );
}

/// Frames that violate the protocol desynchronise; a frame that interrupts a block is still read.
#[test]
fn frames_out_of_order_desynchronise() {
    check(
        Start::Preface,
        &[
            (ToServer, wire::headers(0, 1, GET)),
            (ToServer, wire::headers(5, 3, GET)),
            (ToServer, wire::continuation(4, 3, GET)),
            (ToServer, wire::headers(0x0d, 5, &[9, 0x82])),
            (ToServer, wire::headers(5, 7, &[0x80])),
        ],
        &[
            "request 1 GET / - incomplete",
            "late 1",
            "desynchronised ToServer: header block is interrupted by another frame",
            "request 3 GET / - end",
            "desynchronised ToServer: continuation frame without a header block to continue",
            "desynchronised ToServer: padding is as long as the frame or longer",
            "desynchronised ToServer: index in a header block refers to no entry",
        ],
    );
    let connection = check(
        Start::Preface,
        &[(ToServer, wire::frame(7, 0, 0, &[0; 4]))],
        &[],
    );
    assert_eq!(connection.counts().frames_malformed, 1);
}

/// A response of unknown status may be an interim one: the final response then follows and is
/// reported as well.
#[test]
fn a_response_of_unknown_status_may_be_followed_by_another() {
    check(
        Start::Middle,
        &[
            (ToServer, wire::headers(5, 1, GET)),
            (ToClient, wire::headers(4, 1, &[0xbe])),
            (ToClient, wire::headers(4, 1, &[0x88, 0xbf])),
            (ToClient, wire::headers(5, 1, &grpc_status("3"))),
        ],
        &[
            "request 1 GET / - end",
            "response 1 ? incomplete",
            "response 1 200 incomplete",
            "trailers 1 grpc=3",
        ],
    );
}
