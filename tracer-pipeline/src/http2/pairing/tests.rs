//! Streams and their packets, when packets are lost or the connection ends.

mod conversations;
mod stream_ends;

use bytes::Bytes;
use tracer_common::journey::End;

use super::*;
use crate::{
    decode::JourneyBuilder,
    flow::{Cause, Ending, LastLoss, ServerBytes},
    http::{
        Asked, Connect, Leg, Reset, ResponseEnd, pairing::RESPONSE_WAIT_NS,
        trace_context::Extraction,
    },
    http2::wire,
};

const GET: &[u8] = &[0x82, 0x86, 0x84]; // GET http /
const OK: &[u8] = &[0x88]; // 200
const END_HEADERS: u8 = 4;
const END_BOTH: u8 = 5;

fn id() -> ConnectionId {
    ConnectionId::of_client(JourneyBuilder::CLIENT_COOKIE)
}

/// One connection; every packet is one frame, and tests choose its sequence number.
#[derive(Default)]
struct Fixture {
    pairing: Http2Pairing,
    handshakes: Handshakes,
    now_ns: u64,
    exchanges: Vec<String>,
    /// The same exchanges.
    finished: Vec<Exchange>,
}

impl Fixture {
    fn event(&mut self, kind: EventKind) {
        let Self {
            pairing,
            handshakes,
            exchanges,
            finished,
            ..
        } = self;
        let connection = id();
        pairing.event(Event { connection, kind }, handshakes, &mut |exchange| {
            exchanges.push(text(&exchange));
            finished.push(exchange);
        });
    }

    /// A packet with `frame` whose journey ends with `end`.
    fn packet(&mut self, side: Side, seq: u32, frame: &[u8], end: End) {
        self.frame(side, seq, frame);
        let start_ns = self.now_ns;
        self.event(EventKind::Journey {
            side,
            journey: journey(side, seq, start_ns, end),
        });
    }

    /// A packet with `frame`, which is not HEADERS.
    fn frame(&mut self, side: Side, seq: u32, frame: &[u8]) {
        self.fragment(side, seq, frame, |_| {});
    }

    /// A packet with `bytes`, whose fragment `change` changes.
    fn fragment(&mut self, side: Side, seq: u32, bytes: &[u8], change: impl FnOnce(&mut Fragment)) {
        self.now_ns += 1_000;
        let mut fragment = Fragment {
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
            bytes: Bytes::copy_from_slice(bytes),
        };
        change(&mut fragment);
        self.event(EventKind::Fragment { side, fragment });
    }

    /// A whole request that arrives.
    fn request(&mut self, seq: u32, stream: u32) {
        let frame = wire::headers(END_BOTH, stream, GET);
        self.packet(Side::Client, seq, &frame, End::Socket);
    }

    /// A whole response that arrives.
    fn response(&mut self, seq: u32, stream: u32) {
        let frame = wire::headers(END_BOTH, stream, OK);
        self.packet(Side::Server, seq, &frame, End::Socket);
    }

    /// A retransmission, which arrives.
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
        self.ended_with(Ending {
            cause: Cause::Reset,
            by: Some(Side::Server),
            at_ns: self.now_ns,
            answered_until: None,
        });
    }

    fn ended_with(&mut self, ending: Ending) {
        let last_loss = LastLoss::default();
        self.event(EventKind::Ended { ending, last_loss });
    }

    fn expire(&mut self, after_ns: u64) {
        self.now_ns += after_ns;
        let (exchanges, finished) = (&mut self.exchanges, &mut self.finished);
        self.pairing.expire(self.now_ns, &mut |exchange| {
            exchanges.push(text(&exchange));
            finished.push(exchange);
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

/// `version status`, then `retransmits=N`, `connected`, and the cause of the connection's end.
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
fn a_retransmission_belongs_to_the_same_exchange() {
    let mut fixture = Fixture::default();
    fixture.packet(
        Side::Client,
        100,
        &wire::headers(END_BOTH, 1, GET),
        End::Dropped,
    );
    fixture.again(Side::Client, 100);
    fixture.read(Side::Server, 100);
    fixture.packet(
        Side::Server,
        500,
        &wire::headers(END_BOTH, 1, OK),
        End::Dropped,
    );
    // The retransmission is joined with the packet before.
    fixture.again(Side::Server, 480);
    fixture.read(Side::Client, 500);
    assert_eq!(fixture.exchanges, ["2 200 retransmits=2"]);
}

#[test]
fn retransmissions_for_finished_streams_are_ignored() {
    let mut fixture = Fixture::default();
    fixture.request(100, 1);
    fixture.read(Side::Server, 100);
    fixture.response(500, 1);
    fixture.read(Side::Client, 500);
    fixture.again(Side::Client, 100);
    fixture.again(Side::Server, 500);
    assert_eq!(fixture.exchanges, ["2 200"]);
}

#[test]
fn the_end_of_a_connection_ends_unanswered_streams() {
    let mut fixture = Fixture::default();
    for (seq, stream) in [(100, 1), (200, 3), (300, 5)] {
        fixture.request(seq, stream);
        fixture.read(Side::Server, seq);
    }
    fixture.response(500, 3);
    fixture.ended();
    assert_eq!(
        fixture.exchanges,
        ["2 unanswered Reset", "2 unanswered Reset"]
    );
    // Stream 3 was answered, and its response may still be read.
    fixture.read(Side::Client, 500);
    assert_eq!(fixture.exchanges.last().map(String::as_str), Some("2 200"));
}

#[test]
fn a_request_waits_for_its_response_for_a_limited_time() {
    let mut fixture = Fixture::default();
    fixture.pairing.wait_for_response(5_000_000_000);
    fixture.request(100, 1);
    fixture.expire(4_000_000_000);
    assert!(fixture.exchanges.is_empty());
    fixture.expire(2_000_000_000);
    assert_eq!(fixture.exchanges, ["2 unanswered"]);
}

#[test]
fn a_grpc_call_does_not_time_out() {
    let mut fixture = Fixture::default();
    let content = [&[0x0f, 16, 16], &b"application/grpc"[..]].concat();
    let call = [&[0x83, 0x86, 0x84], &content[..]].concat();
    fixture.packet(
        Side::Client,
        100,
        &wire::headers(END_HEADERS, 1, &call),
        End::Socket,
    );
    fixture.expire(RESPONSE_WAIT_NS * 2);
    assert!(fixture.exchanges.is_empty());
    fixture.ended();
    assert_eq!(fixture.exchanges, ["2 unanswered Reset"]);
}

#[test]
fn an_upgraded_request_is_answered_on_stream_one() {
    let mut fixture = Fixture::default();
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
        response_last: None,
        response_end: ResponseEnd::NotFollowed,
        reset: None,
        ending: None,
    };
    fixture.pairing.upgraded(id(), exchange);
    // The client may send requests as soon as the 101 is there; only its first request has waited
    // for the handshake.
    fixture.request(200, 3);
    fixture.response(580, 1);
    fixture.read(Side::Client, 580);
    assert_eq!(fixture.exchanges, ["2 200 connected"]);
    fixture.read(Side::Server, 200);
    fixture.response(700, 3);
    fixture.read(Side::Client, 700);
    assert_eq!(fixture.exchanges, ["2 200 connected", "2 200"]);
}

#[test]
fn open_streams_are_bounded() {
    let mut fixture = Fixture::default();
    // Other connections have all open streams but one.
    fixture.pairing.streams = MAX_STREAMS - 1;
    for (stream, seq) in [(1, 100), (3, 200)] {
        let frame = wire::headers(END_BOTH, stream, GET);
        fixture.packet(Side::Client, seq, &frame, End::Socket);
    }
    assert_eq!(fixture.pairing.losses().requests_refused, 1);
    assert_eq!(fixture.pairing.streams, MAX_STREAMS);
    fixture.ended();
    assert_eq!(fixture.exchanges, ["2 unanswered Reset"]);
    assert_eq!(fixture.pairing.streams, MAX_STREAMS - 1);
}

/// The requests that a failed connect of the same time may belong to.
#[test]
fn served_requests_have_process_and_times() {
    // A literal header field without indexing (RFC 7541 section 6.2.2).
    let literal = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let get = [GET.to_vec(), literal("traceparent", traceparent)].concat();
    let mut fixture = Fixture::default();
    let served = |fixture: &Fixture| -> Vec<(u32, Option<u32>, u64, Option<u64>)> {
        let served = fixture.pairing.served();
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
        fixture.packet(Side::Client, seq, &headers, End::Socket);
    }
    // A request without trace context.
    let untraced = wire::headers(END_BOTH, 5, GET);
    fixture.packet(Side::Client, 300, &untraced, End::Socket);
    assert_eq!(served(&fixture), [], "no request has been read");
    for seq in [100, 200, 300] {
        fixture.event(EventKind::RequestRead {
            seq,
            at_ns: 10_000,
            tgid: Some(42),
        });
    }
    let open = |seq| (seq, Some(42), 10_000, None);
    assert_eq!(served(&fixture), [open(100), open(200)]);
    fixture.now_ns = 20_000;
    let ok = wire::headers(END_BOTH, 1, OK);
    fixture.packet(Side::Server, 500, &ok, End::Socket);
    let answered = (100, Some(42), 10_000, Some(21_000));
    assert_eq!(served(&fixture), [answered, open(200)]);
}
