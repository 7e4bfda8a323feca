//! What a connection is made of, as proptest generates it.

use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any},
    sample::{Index, select},
};

/// Parts of bodies: text, heads of HTTP/1 and frames of HTTP/2.
const TEXTS: &[&[u8]] = &[
    b"",
    b"plain text of a body, with no end in sight\n",
    b"GET /inner HTTP/1.1\r\nHost: a\r\ntraceparent: 00-00000000000000000000000000000001-0000000000000001-01\r\n\r\n",
    b"HTTP/1.1 500 Inner\r\nContent-Length: 0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    // A request and a response on stream 1, a reset of it, and a GOAWAY before it.
    b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84",
    b"\0\0\x01\x01\x05\0\0\0\x01\x88",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01",
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01",
];

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) streams: Vec<Stream>,
    /// Which stream goes on, in turns.
    pub(super) order: Vec<Index>,
    /// Where what one side sends at once is cut into writes, in turns.
    pub(super) cuts: Vec<Vec<Index>>,
    /// Between two parts, in turns: a frame that belongs to no stream.
    pub(super) noise: Vec<Option<Noise>>,
    /// Each write follows the last after a pause.
    pub(super) is_slow: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) method: &'static str,
    pub(super) request: Body,
    /// The server begins to respond when it has the request's head.
    pub(super) is_early: bool,
    pub(super) has_interim: bool,
    pub(super) status: &'static str,
    pub(super) response: Body,
    pub(super) reset: Option<Reset>,
    pub(super) form: Form,
}

/// What follows HEADERS.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) data: Vec<&'static [u8]>,
    pub(super) has_trailers: bool,
}

/// One side sends RST_STREAM somewhere behind the request's head and before the end of the response,
/// and nothing follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) by_client: bool,
    pub(super) at: Index,
    pub(super) error: (u32, &'static str),
}

/// How the header blocks of a stream are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) padding: Option<u8>,
    pub(super) has_priority: bool,
    /// Bytes of each frame; 0 for one frame.
    pub(super) split: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Noise {
    Ping,
    WindowUpdate,
    Settings,
    Unregistered,
}

fn body() -> impl Strategy<Value = Body> {
    (vec(select(TEXTS), 0..4), any::<bool>())
        .prop_map(|(data, has_trailers)| Body { data, has_trailers })
}

fn stream() -> impl Strategy<Value = Stream> {
    // RFC 9113 section 7.
    let error = select(vec![
        (2, "INTERNAL_ERROR"),
        (7, "REFUSED_STREAM"),
        (8, "CANCEL"),
    ]);
    let reset = (any::<bool>(), any::<Index>(), error).prop_map(|(by_client, at, error)| Reset {
        by_client,
        at,
        error,
    });
    let form = (
        option::weighted(0.3, select(vec![0_u8, 1, 200])),
        proptest::bool::weighted(0.2),
        select(vec![0_usize, 0, 0, 5, 30]),
    );
    let form = form.prop_map(|(padding, has_priority, split)| Form {
        padding,
        has_priority,
        split,
    });
    (
        select(vec!["GET", "POST", "PUT"]),
        body(),
        (
            proptest::bool::weighted(0.2),
            proptest::bool::weighted(0.2),
            select(vec!["200", "204", "302", "404", "503"]),
            body(),
        ),
        option::weighted(0.25, reset),
        form,
    )
        .prop_map(|(method, request, response, reset, form)| {
            let (is_early, has_interim, status, response) = response;
            Stream {
                method,
                request,
                is_early,
                has_interim,
                status,
                response,
                reset,
                form,
            }
        })
}

/// Any connection.
pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let noise = select(vec![
        Noise::Ping,
        Noise::WindowUpdate,
        Noise::Settings,
        Noise::Unregistered,
    ]);
    (
        vec(stream(), 1..7),
        vec(any::<Index>(), 1..20),
        vec(vec(any::<Index>(), 0..3), 1..6),
        vec(option::weighted(0.2, noise), 1..10),
        any::<bool>(),
    )
        .prop_map(|(streams, order, cuts, noise, is_slow)| Plan {
            streams,
            order,
            cuts,
            noise,
            is_slow,
        })
}
