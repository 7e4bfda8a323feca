//! Streams, the packets they are in, and what becomes of them when packets or the connection fail.

use bytes::Bytes;
use tracer_common::journey::End;

use super::*;
use crate::{
    decode::JourneyBuilder,
    flow::{Cause, Ending},
    http::{Asked, Connect, Leg, trace_context::Extraction},
    http2::wire,
};

const GET: &[u8] = &[0x82, 0x86, 0x84]; // GET http /
const OK: &[u8] = &[0x88]; // 200
const END_HEADERS: u8 = 4;
const END_BOTH: u8 = 5;

fn id() -> ConnectionId {
    ConnectionId::of_client(JourneyBuilder::CLIENT_COOKIE)
}

/// One connection; every packet is one frame, and its seq is told.
#[derive(Default)]
struct Story {
    pairing: Pairing,
    handshakes: Handshakes,
    now_ns: u64,
    exchanges: Vec<String>,
}

impl Story {
    fn event(&mut self, kind: EventKind) {
        let Self {
            pairing,
            handshakes,
            exchanges,
            ..
        } = self;
        let connection = id();
        pairing.event(Event { connection, kind }, handshakes, &mut |exchange| {
            exchanges.push(text(&exchange));
        });
    }

    /// A packet is sent, and crosses the node or is dropped.
    fn packet(&mut self, side: Side, seq: u32, frame: &[u8], end: End) {
        self.now_ns += 1_000;
        let fragment = Fragment {
            start_ns: self.now_ns,
            sender_cookie: match side {
                Side::Client => JourneyBuilder::CLIENT_COOKIE,
                Side::Server => JourneyBuilder::SERVER_COOKIE,
            },
            packet_seq: seq,
            seq,
            starts_frame: true,
            cut: false,
            lost_before: false,
            recognised: false,
            sent: JourneyBuilder::client_to_server(),
            bytes: Bytes::copy_from_slice(frame),
        };
        self.event(EventKind::Fragment { side, fragment });
        let start_ns = self.now_ns;
        self.event(EventKind::Journey {
            side,
            journey: journey(side, seq, start_ns, end),
        });
    }

    /// The same packet is sent again.
    fn again(&mut self, side: Side, seq: u32) {
        self.now_ns += 1_000;
        let journey = journey(side, seq, self.now_ns, End::Socket);
        self.event(EventKind::Journey { side, journey });
    }

    fn read(&mut self, side: Side, seq: u32) {
        self.now_ns += 1_000;
        let at_ns = self.now_ns;
        self.event(match side {
            Side::Server => EventKind::RequestRead {
                seq,
                at_ns,
                tgid: None,
            },
            Side::Client => EventKind::ResponseRead { seq, at_ns },
        });
    }

    fn ended(&mut self) {
        self.event(EventKind::Ended(Ending {
            cause: Cause::Reset,
            by: Some(Side::Server),
            at_ns: self.now_ns,
        }));
    }

    fn expire(&mut self, after_ns: u64) {
        self.now_ns += after_ns;
        let exchanges = &mut self.exchanges;
        self.pairing.expire(self.now_ns, &mut |exchange| {
            exchanges.push(text(&exchange));
        });
    }
}

fn journey(side: Side, seq: u32, start_ns: u64, end: End) -> Journey {
    let builder = JourneyBuilder::new(Message::Headers)
        .end(end)
        .start_ns(start_ns)
        .seq(seq)
        .ack(1);
    match side {
        Side::Client => builder.build(),
        Side::Server => builder.from_server().build(),
    }
}

/// `version status`, `retransmits=N`, then how it failed.
fn text(exchange: &Exchange) -> String {
    let status = exchange.answered.and_then(|answered| answered.status);
    let status = status.map_or("unanswered".to_owned(), |status| status.to_string());
    let mut text = format!("{} {status}", exchange.asked.version.unwrap_or("?"));
    let legs = [Some(&exchange.request), exchange.response.as_ref()];
    let retransmits: usize = legs.iter().flatten().map(|leg| leg.earlier.len()).sum();
    if retransmits > 0 {
        text += &format!(" retransmits={retransmits}");
    }
    if exchange.connect.is_some() {
        text += " connected";
    }
    if let Some(ending) = exchange.ending {
        text += &format!(" {:?}", ending.cause);
    }
    text
}

#[test]
fn a_packet_sent_again_is_the_same_exchange() {
    let mut story = Story::default();
    story.packet(
        Side::Client,
        100,
        &wire::headers(END_BOTH, 1, GET),
        End::Dropped,
    );
    story.again(Side::Client, 100);
    story.read(Side::Server, 100);
    story.packet(
        Side::Server,
        500,
        &wire::headers(END_BOTH, 1, OK),
        End::Dropped,
    );
    // Joined with the packet before it.
    story.again(Side::Server, 480);
    story.read(Side::Client, 500);
    assert_eq!(story.exchanges, ["2 200 retransmits=2"]);
}

#[test]
fn packets_sent_again_of_streams_that_are_over_are_nothing() {
    let mut story = Story::default();
    story.packet(
        Side::Client,
        100,
        &wire::headers(END_BOTH, 1, GET),
        End::Socket,
    );
    story.read(Side::Server, 100);
    story.packet(
        Side::Server,
        500,
        &wire::headers(END_BOTH, 1, OK),
        End::Socket,
    );
    story.read(Side::Client, 500);
    story.again(Side::Client, 100);
    story.again(Side::Server, 500);
    assert_eq!(story.exchanges, ["2 200"]);
}

#[test]
fn the_end_of_a_connection_ends_what_was_not_answered() {
    let mut story = Story::default();
    for (seq, stream) in [(100, 1), (200, 3), (300, 5)] {
        story.packet(
            Side::Client,
            seq,
            &wire::headers(END_BOTH, stream, GET),
            End::Socket,
        );
        story.read(Side::Server, seq);
    }
    story.packet(
        Side::Server,
        500,
        &wire::headers(END_HEADERS, 3, OK),
        End::Socket,
    );
    story.ended();
    assert_eq!(
        story.exchanges,
        ["2 unanswered Reset", "2 unanswered Reset"]
    );
    // That one was answered, and may still be read.
    story.read(Side::Client, 500);
    assert_eq!(story.exchanges.last().map(String::as_str), Some("2 200"));
}

#[test]
fn silence_ends_an_exchange() {
    let mut story = Story::default();
    story.pairing.wait_for_response(5_000_000_000);
    story.packet(
        Side::Client,
        100,
        &wire::headers(END_BOTH, 1, GET),
        End::Socket,
    );
    story.expire(4_000_000_000);
    assert!(story.exchanges.is_empty());
    story.expire(2_000_000_000);
    assert_eq!(story.exchanges, ["2 unanswered TimedOut"]);
}

#[test]
fn a_call_of_grpc_may_be_silent() {
    let mut story = Story::default();
    let content = [&[0x0f, 16, 16], &b"application/grpc"[..]].concat();
    let call = [&[0x83, 0x86, 0x84], &content[..]].concat();
    story.packet(
        Side::Client,
        100,
        &wire::headers(END_HEADERS, 1, &call),
        End::Socket,
    );
    story.expire(RESPONSE_WAIT_NS * 2);
    assert!(story.exchanges.is_empty());
    story.ended();
    assert_eq!(story.exchanges, ["2 unanswered Reset"]);
}

#[test]
fn an_upgraded_request_is_answered_on_stream_one() {
    let mut story = Story::default();
    let mut request = Leg::new(journey(Side::Client, 100, 500, End::Socket));
    request.read_ns = Some(600);
    let asked = Asked {
        method: None,
        path: None,
        version: Some("1.1"),
        trace: Extraction::None,
        tracestate: None,
        rpc: None,
        is_grpc: false,
        is_incomplete: false,
        offers_h2c: true,
    };
    let exchange = Exchange {
        asked,
        answered: None,
        connect: Some(Connect {
            syn: Leg::new(journey(Side::Client, 99, 400, End::Socket)),
            syn_ack: None,
        }),
        request,
        request_seq: 100,
        response: None,
        trailers: None,
        reset: None,
        ending: None,
    };
    story.pairing.upgraded(id(), exchange);
    // The client may ask for more as soon as the 101 is there; only its first request has waited for
    // the handshake.
    story.packet(
        Side::Client,
        200,
        &wire::headers(END_BOTH, 3, GET),
        End::Socket,
    );
    story.packet(
        Side::Server,
        580,
        &wire::headers(END_BOTH, 1, OK),
        End::Socket,
    );
    story.read(Side::Client, 580);
    assert_eq!(story.exchanges, ["2 200 connected"]);
    story.read(Side::Server, 200);
    story.packet(
        Side::Server,
        700,
        &wire::headers(END_BOTH, 3, OK),
        End::Socket,
    );
    story.read(Side::Client, 700);
    assert_eq!(story.exchanges, ["2 200 connected", "2 200"]);
}

#[test]
fn open_streams_are_bounded() {
    let mut story = Story::default();
    // All but one are other connections'.
    story.pairing.streams = MAX_STREAMS - 1;
    for (stream, seq) in [(1, 100), (3, 200)] {
        let frame = wire::headers(END_BOTH, stream, GET);
        story.packet(Side::Client, seq, &frame, End::Socket);
    }
    assert_eq!(story.pairing.losses().requests_refused, 1);
    assert_eq!(story.pairing.streams, MAX_STREAMS);
    story.ended();
    assert_eq!(story.exchanges, ["2 unanswered Reset"]);
    assert_eq!(story.pairing.streams, MAX_STREAMS - 1);
}

/// What a connect that failed meanwhile may have been for.
#[test]
fn what_is_served_now_says_by_whom() {
    // A literal header field without indexing (RFC 7541 section 6.2.2).
    let literal = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let get = [GET.to_vec(), literal("traceparent", traceparent)].concat();
    let mut story = Story::default();
    let served = |story: &Story| -> Vec<(u32, Option<u32>, u64, Option<u64>)> {
        let served = story.pairing.served();
        let mut served: Vec<_> = served
            .map(|served| {
                (
                    served.request_seq,
                    served.tgid,
                    served.from_ns,
                    served.until_ns,
                )
            })
            .collect();
        served.sort_unstable();
        served
    };
    for (seq, stream) in [(100, 1), (200, 3)] {
        let headers = wire::headers(END_BOTH, stream, &get);
        story.packet(Side::Client, seq, &headers, End::Socket);
    }
    // In no trace.
    let untraced = wire::headers(END_BOTH, 5, GET);
    story.packet(Side::Client, 300, &untraced, End::Socket);
    assert_eq!(served(&story), [], "nobody has read them");
    for seq in [100, 200, 300] {
        story.event(EventKind::RequestRead {
            seq,
            at_ns: 10_000,
            tgid: Some(42),
        });
    }
    let open = |seq| (seq, Some(42), 10_000, None);
    assert_eq!(served(&story), [open(100), open(200)]);
    story.now_ns = 20_000;
    let ok = wire::headers(END_BOTH, 1, OK);
    story.packet(Side::Server, 500, &ok, End::Socket);
    let answered = (100, Some(42), 10_000, Some(21_000));
    assert_eq!(served(&story), [answered, open(200)]);
}
