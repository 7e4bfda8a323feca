//! How and when a stream ends: with its response, a reset, a GOAWAY, its connection, or unseen.

use super::*;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const SECOND_NS: u64 = 1_000_000_000;

fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    wire::frame(3, 0, stream, &code.to_be_bytes())
}

fn goaway(last_stream: u32, code: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    wire::frame(7, 0, 0, &payload)
}

/// A literal header field without indexing (RFC 7541 section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

impl Fixture {
    /// A request on stream 1 that the server has read.
    fn served() -> Self {
        let mut fixture = Self::default();
        fixture.request(100, 1);
        fixture.read(Side::Server, 100);
        fixture
    }

    /// The same of a gRPC call.
    fn served_call() -> Self {
        let mut fixture = Self::default();
        let call = [
            &[0x83, 0x86, 0x84],
            &literal("content-type", "application/grpc")[..],
        ];
        let headers = wire::headers(END_HEADERS, 1, &call.concat());
        fixture.packet(Side::Client, 100, &headers, End::Socket);
        fixture.read(Side::Server, 100);
        fixture
    }

    /// The head of a response on stream 1 that the client reads; its body follows.
    fn response_head(&mut self) {
        let head = wire::headers(END_HEADERS, 1, OK);
        self.packet(Side::Server, 500, &head, End::Socket);
        self.read(Side::Client, 500);
    }

    /// The last DATA frame of stream 1, of which only the header is captured.
    fn last_data(&mut self) {
        let mut frame = wire::frame(0, 1, 1, b"the last bytes");
        frame.truncate(9);
        self.fragment(Side::Server, 900, &frame, |fragment| fragment.cut = true);
    }

    /// `status`, the end of the response if it was not seen, the reset and its sender, the cause of
    /// the connection's end, and the duration in milliseconds; of the only exchange.
    fn end(&self) -> String {
        let [exchange] = &self.finished[..] else {
            panic!("{:?}", self.exchanges);
        };
        let answered = exchange.answered;
        let status = answered.and_then(|answered| {
            let http = answered.status.map(u32::from);
            answered.grpc_status.or(http)
        });
        let mut text = status.map_or("unanswered".to_owned(), |status| status.to_string());
        match exchange.response_end {
            ResponseEnd::Unseen | ResponseEnd::WithConnection => text += " unseen",
            ResponseEnd::After(_) => text += " open",
            ResponseEnd::NotFollowed | ResponseEnd::At(_) => {}
        }
        if let Some(Reset { code, by, .. }) = exchange.reset {
            text += &format!(" reset {code} by {by:?}");
        }
        if let Some(ending) = exchange.ending {
            text += &format!(" {:?}", ending.cause);
        }
        let lasted_ns = exchange.ended_ns() - exchange.request.first_start_ns();
        text + &format!(" {} ms", lasted_ns / 1_000_000)
    }

    fn after_ms(&mut self, after_ms: u64) {
        self.now_ns += after_ms * 1_000_000;
    }
}

#[test]
fn a_reset_ends_the_exchange_when_it_is_sent() {
    for (side, code, expected) in [
        (Side::Client, CANCEL, "unanswered reset 8 by Client 1000 ms"),
        (Side::Server, CANCEL, "unanswered reset 8 by Server 1000 ms"),
        (
            Side::Server,
            NO_ERROR,
            "unanswered reset 0 by Server 1000 ms",
        ),
    ] {
        let mut fixture = Fixture::served();
        fixture.after_ms(1_000);
        fixture.frame(side, 700, &rst_stream(1, code));
        assert_eq!(fixture.end(), expected);
        assert_eq!(fixture.pairing.losses().streams_given_up, 0);
    }
}

/// A client whose deadline is over cancels the call.
#[test]
fn the_deadline_of_a_grpc_call_is_its_duration() {
    let mut fixture = Fixture::served_call();
    fixture.after_ms(300);
    fixture.frame(Side::Client, 200, &rst_stream(1, CANCEL));
    assert_eq!(fixture.end(), "unanswered reset 8 by Client 300 ms");
}

/// The read of a cancelled request may never come; that of a response is waited for shortly.
#[test]
fn a_reset_stream_does_not_wait_for_long() {
    let mut fixture = Fixture::default();
    fixture.request(100, 1);
    fixture.after_ms(1_000);
    fixture.frame(Side::Client, 200, &rst_stream(1, CANCEL));
    assert_eq!(fixture.end(), "unanswered reset 8 by Client 1000 ms");

    let mut fixture = Fixture::served();
    let head = wire::headers(END_HEADERS, 1, OK);
    fixture.packet(Side::Server, 500, &head, End::Socket);
    fixture.frame(Side::Server, 700, &rst_stream(1, CANCEL));
    fixture.expire(SECOND_NS / 2);
    assert!(fixture.exchanges.is_empty());
    fixture.expire(SECOND_NS);
    assert_eq!(fixture.end(), "200 unseen reset 8 by Server 0 ms");
}

#[test]
fn a_goaway_ends_the_streams_that_the_server_has_not_processed() {
    let mut fixture = Fixture::served();
    fixture.after_ms(50);
    fixture.frame(Side::Server, 500, &goaway(0x7fff_ffff, NO_ERROR));
    fixture.frame(Side::Server, 600, &goaway(1, NO_ERROR));
    assert!(fixture.exchanges.is_empty());
    fixture.after_ms(50);
    fixture.frame(Side::Server, 700, &goaway(0, NO_ERROR));
    let expected = format!("unanswered reset {REFUSED_STREAM} by Server 100 ms");
    assert_eq!(fixture.end(), expected);
}

/// A stream whose response has started was processed, whatever a GOAWAY contains.
#[test]
fn a_goaway_does_not_end_an_answered_stream() {
    let mut fixture = Fixture::served();
    fixture.response_head();
    fixture.frame(Side::Server, 700, &goaway(0, NO_ERROR));
    assert!(fixture.exchanges.is_empty());
    fixture.last_data();
    assert_eq!(fixture.end(), "200 0 ms");
}

#[test]
fn a_response_lasts_until_its_body_ends() {
    let mut fixture = Fixture::served();
    fixture.response_head();
    fixture.after_ms(40);
    assert!(fixture.exchanges.is_empty());
    fixture.last_data();
    assert_eq!(fixture.end(), "200 40 ms");
}

/// The end of a short body comes before the client has read the head.
#[test]
fn a_response_lasts_until_its_head_is_read() {
    let mut fixture = Fixture::served();
    let head = wire::headers(END_HEADERS, 1, OK);
    fixture.packet(Side::Server, 500, &head, End::Socket);
    fixture.last_data();
    fixture.after_ms(7);
    assert!(fixture.exchanges.is_empty());
    fixture.read(Side::Client, 500);
    assert_eq!(fixture.end(), "200 7 ms");
}

/// RFC 9113 section 8.1: a server may stop an upload when its response is complete. A client may
/// reset such a stream, too.
#[test]
fn a_reset_after_the_response_is_no_error() {
    for (side, code) in [
        (Side::Server, NO_ERROR),
        (Side::Server, CANCEL),
        (Side::Client, CANCEL),
    ] {
        let mut fixture = Fixture::served();
        let head = wire::headers(END_HEADERS, 1, OK);
        fixture.packet(Side::Server, 500, &head, End::Socket);
        fixture.last_data();
        fixture.frame(side, 950, &rst_stream(1, code));
        fixture.read(Side::Client, 500);
        assert_eq!(fixture.end(), "200 0 ms");
    }
}

#[test]
fn a_reset_within_the_response_is_an_error() {
    for side in [Side::Client, Side::Server] {
        let mut fixture = Fixture::served();
        fixture.response_head();
        fixture.after_ms(30);
        fixture.frame(side, 700, &rst_stream(1, CANCEL));
        assert_eq!(
            fixture.end(),
            format!("200 unseen reset 8 by {side:?} 30 ms")
        );
    }
}

#[test]
fn the_end_of_the_connection_within_the_response_is_an_error() {
    let mut fixture = Fixture::served();
    fixture.response_head();
    fixture.after_ms(30);
    fixture.ended();
    assert_eq!(fixture.end(), "200 unseen Reset 30 ms");
}

/// A client that has the whole body may close the connection before the frame that ends the stream, as
/// curl does with an empty DATA frame of Node's.
#[test]
fn a_client_that_has_the_whole_body_closes() {
    // Two frame headers and the body are behind 500.
    for (received, expected) in [(522, "200 unseen 0 ms"), (521, "200 unseen Closed 30 ms")] {
        let mut fixture = Fixture::served();
        let block = [OK, &literal("content-length", "4")].concat();
        let head = wire::headers(END_HEADERS, 1, &block);
        fixture.packet(Side::Server, 500, &head, End::Socket);
        fixture.read(Side::Client, 500);
        fixture.after_ms(30);
        fixture.ended_with(Ending {
            cause: Cause::Closed,
            by: Some(Side::Client),
            at_ns: fixture.now_ns,
            answered_until: Some(ServerBytes::Received(received)),
        });
        assert_eq!(fixture.end(), expected);
    }
}

/// A response without its end is reported after the time limit, and is no error.
#[test]
fn a_long_response_is_reported_open() {
    let mut fixture = Fixture::served();
    fixture.pairing.wait_for_response(5 * SECOND_NS);
    fixture.response_head();
    fixture.expire(4 * SECOND_NS);
    assert!(fixture.exchanges.is_empty());
    fixture.expire(2 * SECOND_NS);
    assert_eq!(fixture.end(), "200 open 6000 ms");
    assert_eq!(fixture.pairing.losses().streams_given_up, 0);
    fixture.last_data();
    assert_eq!(fixture.exchanges.len(), 1);
}

/// The time limit of the agent is no evidence of a failure.
#[test]
fn a_request_without_a_response_is_reported_open() {
    let mut fixture = Fixture::served();
    fixture.pairing.wait_for_response(5 * SECOND_NS);
    fixture.expire(6 * SECOND_NS);
    assert_eq!(fixture.end(), "unanswered open 6000 ms");
}

/// The response may have been in the lost frames, so the end of the connection is no error.
#[test]
fn a_response_that_may_have_been_lost_is_no_failure() {
    let lose: [fn(&mut Fixture); 3] = [
        // The next frame after the loss.
        |fixture| {
            let settings = wire::frame(4, 0, 0, &[]);
            fixture.fragment(Side::Server, 900, &settings, |fragment| {
                fragment.lost_before = true;
            });
        },
        // The kernel program finds no frame.
        |fixture| {
            fixture.fragment(Side::Server, 900, &[], |fragment| {
                fragment.starts_frame = false;
                fragment.lost_before = true;
            });
        },
        // Bytes that are no frame.
        |fixture| fixture.frame(Side::Server, 900, &wire::continuation(4, 1, OK)),
    ];
    for (nth, lose) in lose.into_iter().enumerate() {
        for (mut fixture, is_call) in [(Fixture::served(), false), (Fixture::served_call(), true)] {
            // The first fragment of a direction has nothing before it.
            fixture.frame(Side::Server, 400, &wire::frame(4, 0, 0, &[]));
            lose(&mut fixture);
            fixture.ended();
            assert_eq!(fixture.end(), "unanswered 0 ms", "{nth} {is_call}");
        }
        // The end of an answered stream is not waited for.
        let mut fixture = Fixture::served();
        fixture.response_head();
        lose(&mut fixture);
        assert_eq!(fixture.end(), "200 unseen 0 ms", "{nth}");
    }
}

impl Fixture {
    /// A request that the server has read, while the frames of the server are not found.
    fn served_after_a_loss() -> Self {
        let mut fixture = Self::default();
        fixture.frame(Side::Server, 400, &wire::frame(4, 0, 0, &[]));
        fixture.fragment(Side::Server, 450, &[], |fragment| {
            fragment.starts_frame = false;
            fragment.lost_before = true;
        });
        fixture.request(100, 1);
        fixture.read(Side::Server, 100);
        fixture
    }
}

#[test]
fn a_request_after_a_loss_may_be_answered_unseen() {
    let mut fixture = Fixture::served_after_a_loss();
    fixture.ended();
    assert_eq!(fixture.end(), "unanswered 0 ms");
}

/// The frames are found again with the response.
#[test]
fn a_request_after_a_loss_may_be_answered() {
    let mut fixture = Fixture::served_after_a_loss();
    fixture.response_head();
    fixture.after_ms(40);
    assert!(fixture.exchanges.is_empty());
    fixture.last_data();
    assert_eq!(fixture.end(), "200 40 ms");
}

/// After lost HEADERS the trailers still have the status.
#[test]
fn trailers_are_enough_for_the_status() {
    for (status, expected) in [("0", "0 0 ms"), ("14", "14 0 ms")] {
        let mut fixture = Fixture::served_call();
        fixture.frame(Side::Server, 400, &wire::frame(4, 0, 0, &[]));
        let trailers = wire::headers(END_BOTH, 1, &literal("grpc-status", status));
        fixture.fragment(Side::Server, 900, &trailers, |fragment| {
            fragment.lost_before = true;
        });
        fixture.again(Side::Server, 900);
        fixture.read(Side::Client, 900);
        assert_eq!(fixture.end(), expected);
    }
}

#[test]
fn a_response_that_never_arrives_is_reported_open() {
    let mut fixture = Fixture::served();
    fixture.pairing.wait_for_response(5 * SECOND_NS);
    let head = wire::headers(END_BOTH, 1, OK);
    fixture.packet(Side::Server, 500, &head, End::Dropped);
    fixture.expire(4 * SECOND_NS);
    assert!(fixture.exchanges.is_empty());
    fixture.expire(2 * SECOND_NS);
    assert_eq!(fixture.end(), "200 open 6000 ms");
}

#[test]
fn a_response_that_never_arrives_fails_with_its_connection() {
    let mut fixture = Fixture::served();
    let head = wire::headers(END_BOTH, 1, OK);
    fixture.packet(Side::Server, 500, &head, End::Dropped);
    fixture.after_ms(30);
    fixture.ended();
    assert_eq!(fixture.end(), "200 unseen Reset 30 ms");
}

#[test]
fn a_response_that_is_sent_again_has_the_times_of_both_copies() {
    let mut fixture = Fixture::served();
    let head = wire::headers(END_BOTH, 1, OK);
    fixture.packet(Side::Server, 500, &head, End::Dropped);
    let first_ns = fixture.now_ns;
    fixture.after_ms(200);
    fixture.again(Side::Server, 500);
    let again_ns = fixture.now_ns;
    fixture.after_ms(3);
    fixture.read(Side::Client, 500);
    assert_eq!(fixture.end(), "200 203 ms");
    let response = fixture.finished[0].response.as_ref().unwrap();
    assert_eq!(response.first_start_ns(), first_ns);
    assert_eq!(response.journey.start_ns, again_ns);
    assert_eq!(response.read_ns, Some(fixture.now_ns));
}
