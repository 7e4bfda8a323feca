//! Streams of an HTTP/2 connection that goes on: each ends when and as its frames show.

use std::{ops::Range, time::Duration};

use hopspan_e2e::{DialogueFixture, Parent, Span, Step, Traces, frames, pause, send, until};

/// The stream under test. Stream 3 follows on the same connection.
const STREAM: u32 = 1;
/// RFC 9113 section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;
/// Between two frames of a body.
const APART: Duration = Duration::from_millis(300);

/// What both ends do after a request on [`STREAM`] has arrived, and what its exchange must be.
struct Case {
    server: Vec<Step>,
    client: Vec<Step>,
    /// Whether the request has END_STREAM.
    complete: bool,
    status: &'static str,
    error: &'static str,
    closed_by: &'static str,
    lasts: Range<Duration>,
}

impl Case {
    /// Plays both ends, and a second request after that. Returns the first request's parent.
    fn play(&self, dialogues: &DialogueFixture) -> (Parent, Parent) {
        let (parent, next) = (Parent::new(), Parent::new());
        let request = match self.complete {
            true => frames::get_traced(STREAM, "/stream", &parent),
            false => frames::post_traced(STREAM, "/stream", &parent),
        };
        let response = frames::response(STREAM + 2, "204");
        let mut server = vec![
            until(frames::settings()),
            send(frames::settings()),
            until("/stream"),
        ];
        server.extend_from_slice(&self.server);
        server.extend([until("/next"), send(&response)]);
        let mut client = vec![
            send(frames::preface()),
            until(frames::settings()),
            send(request),
        ];
        client.extend_from_slice(&self.client);
        client.extend([
            send(frames::get_traced(STREAM + 2, "/next", &next)),
            until(&response),
        ]);
        dialogues.play(&server, &client).unwrap();
        (parent, next)
    }

    fn assert(&self, traces: &Traces, (parent, next): &(Parent, Parent)) {
        let exchange = &parent.exchange(traces);
        exchange.assert_attributes(&[
            ("http.response.status_code", self.status),
            ("error.type", self.error),
            ("hopspan.closed_by", self.closed_by),
        ]);
        if self.error.is_empty() {
            exchange.assert_attributes(&[("hopspan.incomplete", "")]);
        }
        let lasted = lasted(exchange);
        assert!(self.lasts.contains(&lasted), "{lasted:?}: {exchange:#?}");
        next.exchange(traces).assert_attributes(&[
            ("http.response.status_code", "204"),
            ("error.type", ""),
            ("hopspan.closed_by", ""),
            ("hopspan.incomplete", ""),
        ]);
    }
}

fn lasted(span: &Span) -> Duration {
    Duration::from_nanos(span.duration_ns())
}

fn milliseconds(range: Range<u64>) -> Range<Duration> {
    Duration::from_millis(range.start)..Duration::from_millis(range.end)
}

/// Plays each case on a connection of its own.
fn check(label: &str, cases: &[Case]) {
    let dialogues = DialogueFixture::start(label).unwrap();
    let played: Vec<(Parent, Parent)> = cases.iter().map(|case| case.play(&dialogues)).collect();
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    for (case, parents) in cases.iter().zip(&played) {
        case.assert(&outcome.traces, parents);
    }
    assert_eq!(outcome.traces.0.len(), 2 * cases.len());
}

/// The head of a response with a body.
fn response_head() -> Vec<u8> {
    frames::headers(STREAM, &[(":status", "200")], false)
}

/// A response of HEADERS, DATA, and a last frame.
fn body_that_ends_with(last: &[u8]) -> Case {
    Case {
        server: vec![
            send(response_head()),
            pause(APART),
            send(frames::data(STREAM, b"first", false)),
            pause(APART),
            send(last),
        ],
        client: vec![until(last)],
        complete: true,
        status: "200",
        error: "",
        closed_by: "",
        lasts: milliseconds(600..800),
    }
}

#[test]
fn frames_of_other_types_are_ignored() {
    if hopspan_lab::skip("frames_of_other_types_are_ignored") {
        return;
    }
    let other = frames::unregistered();
    let last = frames::data(STREAM, b"last", true);
    let case = Case {
        server: vec![
            send([&other[..], &response_head(), &other].concat()),
            pause(APART),
            send([&other[..], &last].concat()),
        ],
        client: vec![until(&last)],
        complete: true,
        status: "200",
        error: "",
        closed_by: "",
        lasts: milliseconds(300..500),
    };
    check("h2-types", &[case]);
}

#[test]
fn a_client_cancels_a_stream() {
    if hopspan_lab::skip("a_client_cancels_a_stream") {
        return;
    }
    let case = |after: u64, complete: bool| Case {
        server: Vec::new(),
        client: vec![
            pause(Duration::from_millis(after)),
            send(frames::rst_stream(STREAM, CANCEL)),
        ],
        complete,
        status: "",
        error: "CANCEL",
        closed_by: "client",
        lasts: milliseconds(after..after + 200),
    };
    check("h2-cancel", &[case(1_000, true), case(300, false)]);
}

#[test]
fn a_response_lasts_until_its_last_data() {
    if hopspan_lab::skip("a_response_lasts_until_its_last_data") {
        return;
    }
    let cases = [b"last".as_slice(), b""]
        .map(|bytes| body_that_ends_with(&frames::data(STREAM, bytes, true)));
    check("h2-body", &cases);
}

#[test]
fn a_server_cuts_a_body() {
    if hopspan_lab::skip("a_server_cuts_a_body") {
        return;
    }
    let case = Case {
        error: "INTERNAL_ERROR",
        closed_by: "server",
        ..body_that_ends_with(&frames::rst_stream(STREAM, INTERNAL_ERROR))
    };
    check("h2-cut", &[case]);
}

/// NO_ERROR after a complete response asks the client not to send the rest of its request (RFC 9113
/// section 8.1).
#[test]
fn an_answer_before_the_request_is_complete() {
    if hopspan_lab::skip("an_answer_before_the_request_is_complete") {
        return;
    }
    let response = frames::response(STREAM, "413");
    let stop = frames::rst_stream(STREAM, NO_ERROR);
    let case = |server: Vec<Step>| Case {
        server,
        client: vec![until(&stop)],
        complete: false,
        status: "413",
        error: "",
        closed_by: "",
        lasts: milliseconds(0..200),
    };
    let cases = [
        case(vec![send([&*response, &stop].concat())]),
        case(vec![send(&response), send(&stop)]),
        case(vec![send(&response), pause(APART), send(&stop)]),
    ];
    check("h2-early", &cases);
}
