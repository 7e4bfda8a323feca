//! What a conversation of HTTP/2 is made of, as proptest generates it.

use proptest::{collection::vec, option, prelude::*, sample::select};

/// Parts of bodies: text, heads of HTTP/1, and frames. No true exchange has the path `/`, the status
/// 200, or a reset of PROTOCOL_ERROR.
const TEXTS: &[&[u8]] = &[
    b"text",
    b"GET /x HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"",
];
const FRAMES: &[&[u8]] = &[
    // A request and a response on stream 1, and on one that never was.
    b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84",
    b"\0\0\x01\x01\x05\0\0\0\x01\x88",
    b"\0\0\x03\x01\x05\0\0\0\x63\x82\x86\x84",
    // The end of stream 1, a reset of it, and a GOAWAY before it.
    b"\0\0\0\0\x01\0\0\0\x01",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01",
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01",
    b"\0\0",
];

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) method: &'static str,
    pub(super) is_grpc: bool,
    /// The last flag in `traceparent`, if there is one.
    pub(super) sampled: Option<bool>,
    pub(super) request: Body,
    pub(super) interim: Vec<u16>,
    /// The first digits of the status: the stream's number makes it unique.
    pub(super) status: u16,
    pub(super) response: Body,
    /// How many parts of the request the server waits for.
    pub(super) early_after: usize,
    /// The client sends nothing of it before it has everything that the server has sent.
    pub(super) waits: bool,
    pub(super) reset: Option<Reset>,
    pub(super) form: Form,
}

/// What follows HEADERS.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) data: Vec<&'static [u8]>,
    pub(super) has_trailers: bool,
    /// An empty frame of DATA ends the stream.
    pub(super) ends_apart: bool,
}

/// One side sends RST_STREAM in place of its part of this number, and no other part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) by_client: bool,
    pub(super) at: usize,
    pub(super) code: u32,
}

/// How header blocks are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Flags of the encoder of HPACK.
    pub(super) encoding: u8,
    pub(super) padding: Option<u8>,
    pub(super) has_priority: bool,
    /// The bytes of each of its frames; 0 for one frame.
    pub(super) split: usize,
}

/// What belongs to no stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noise {
    Ping,
    WindowUpdate,
    Settings,
    SettingsAck,
    Unknown,
    /// A frame of a type that is not registered.
    Grease,
    /// Of the server: GOAWAY, whose last stream is the newest one so far, the newest one that was
    /// answered, or the highest possible.
    GoAway(u8),
}

/// A connection: its streams, the order of their parts, and what is between them.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) plans: Vec<Plan>,
    /// Which stream goes on, in turns.
    pub(super) order: Vec<u8>,
    /// Behind how many parts something else is sent, by the client or not.
    pub(super) noise: Vec<(u8, bool, Noise)>,
}

impl Plan {
    pub(super) fn path(&self, index: usize) -> String {
        if self.is_grpc {
            format!("/shop.Cart/Method{index}")
        } else {
            format!("/{index}")
        }
    }

    pub(super) fn status(&self, index: usize) -> u16 {
        self.status + u16::try_from(index).unwrap()
    }

    pub(super) fn grpc_status(&self, index: usize) -> Option<u32> {
        let is_told = self.is_grpc && self.response.has_trailers;
        is_told.then(|| u32::try_from(index).unwrap() + 3)
    }

    pub(super) fn request_fields(&self, index: usize) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            (":method", self.method.to_owned()),
            (":scheme", "http".to_owned()),
            (":path", format!("{}?secret", self.path(index))),
            (":authority", "shop:80".to_owned()),
        ];
        if self.is_grpc {
            fields.push(("content-type", "application/grpc".to_owned()));
        }
        fields.push(("x-request", "b".repeat(index * 20)));
        fields.extend(self.sampled.map(|sampled| {
            let (trace, flag) = (index + 1, u8::from(sampled));
            let value = format!("00-{trace:032x}-{trace:016x}-0{flag}");
            ("traceparent", value)
        }));
        fields
    }

    pub(super) fn response_fields(&self, index: usize) -> Vec<(&'static str, String)> {
        let mut fields = vec![(":status", self.status(index).to_string())];
        if self.is_grpc {
            fields.push(("content-type", "application/grpc".to_owned()));
        }
        fields.push(("x-response", "c".repeat(index * 20)));
        fields
    }

    /// Whether a body looks like frames.
    pub(super) fn has_frames(&self) -> bool {
        let mut data = self.request.data.iter().chain(&self.response.data);
        data.any(|bytes| FRAMES.contains(bytes))
    }
}

fn body(has_frames: bool) -> impl Strategy<Value = Body> {
    let texts = if has_frames {
        [TEXTS, FRAMES].concat()
    } else {
        TEXTS.to_vec()
    };
    (vec(select(texts), 0..4), any::<bool>(), any::<bool>()).prop_map(
        |(data, has_trailers, ends_apart)| Body {
            data,
            has_trailers,
            ends_apart,
        },
    )
}

fn form() -> impl Strategy<Value = Form> {
    let padding = option::weighted(0.2, select(vec![0, 1, 200]));
    let encoding = 0..32_u8;
    let split = select(vec![0, 0, 0, 1, 5, 30]);
    (encoding, padding, prop::bool::weighted(0.2), split).prop_map(
        |(encoding, padding, has_priority, split)| Form {
            encoding,
            padding,
            has_priority,
            split,
        },
    )
}

fn plan(has_frames: bool) -> impl Strategy<Value = Plan> {
    let reset =
        (any::<bool>(), 0..5_usize, select(vec![0, 2, 7, 8])).prop_map(|(by_client, at, code)| {
            Reset {
                by_client,
                at,
                code,
            }
        });
    let request = (
        select(vec!["GET", "POST", "PURGE"]),
        prop::bool::weighted(0.4),
        option::weighted(0.7, any::<bool>()),
        body(has_frames),
    );
    let response = (
        prop_oneof![3 => Just(Vec::new()), 1 => vec(select(vec![100_u16, 103]), 1..3)],
        select(vec![210, 410, 510]),
        body(has_frames),
        prop_oneof![2 => Just(usize::MAX), 1 => 0..4_usize],
    );
    let rest = (
        prop::bool::weighted(0.3),
        option::weighted(0.25, reset),
        form(),
    );
    (request, response, rest).prop_map(|(request, response, rest)| {
        let (method, is_grpc, sampled, request) = request;
        let (interim, status, response, early_after) = response;
        let (waits, reset, form) = rest;
        Plan {
            method,
            is_grpc,
            sampled,
            request,
            interim,
            status,
            response,
            early_after,
            waits,
            reset,
            form,
        }
    })
}

/// Connections; `has_frames`: bodies may look like frames.
pub(super) fn conversations(has_frames: bool) -> impl Strategy<Value = Conversation> {
    let noise = prop_oneof![
        Just(Noise::Ping),
        Just(Noise::WindowUpdate),
        Just(Noise::Settings),
        Just(Noise::SettingsAck),
        Just(Noise::Unknown),
        Just(Noise::Grease),
        (0..3_u8).prop_map(Noise::GoAway),
    ];
    (
        vec(plan(has_frames), 1..6),
        vec(any::<u8>(), 1..20),
        vec((0..12_u8, any::<bool>(), noise), 0..4),
    )
        .prop_map(|(plans, order, noise)| Conversation {
            plans,
            order,
            noise,
        })
}
