//! Routes each event of a connection to the stage that handles it.
//!
//! In: events. Out: ended exchanges and failed connects. Knows no names and no spans.

use tracer_common::message::Message;

use crate::{
    decode::Head,
    flow::{self, EventKind},
    http::{self, Exchange, FailedConnect, Handshakes, Served},
    http2,
};

/// Bound on failed connects between two clock samples, up to 2 KB each. More come from a loop that
/// retries; they are counted and left out.
const MAX_FAILED: usize = 8192;

/// The open handshakes, requests and streams of all connections.
#[derive(Default)]
pub(crate) struct Exchanges {
    handshakes: Handshakes,
    pub(crate) http: http::Http1Pairing,
    pub(crate) http2: http2::pairing::Http2Pairing,
    /// Failed connects since the last [`Self::take_failed`].
    failed: Vec<FailedConnect>,
    failed_left_out: u64,
}

impl Exchanges {
    /// Sets how long a request waits for its response, in nanoseconds.
    pub(super) fn wait_for_response(&mut self, wait_ns: u64) {
        self.http.wait_for_response(wait_ns);
        self.http2.wait_for_response(wait_ns);
    }

    /// Takes a head of HTTP/1; passes the exchanges that it ends to `done`.
    pub(crate) fn head(&mut self, head: &Head, done: &mut impl FnMut(Exchange)) {
        self.http.head(head, &mut self.handshakes, done);
    }

    /// Takes an event; passes the exchanges that it ends to `done`.
    pub(crate) fn event(&mut self, event: flow::Event, done: &mut impl FnMut(Exchange)) {
        let handshakes = &mut self.handshakes;
        match &event.kind {
            EventKind::Journey { journey, .. } => match journey.message {
                Message::Syn | Message::SynAck => {
                    let id = event.connection;
                    if let Some(syn_ack) = handshakes.event(event) {
                        self.http.syn_answered(id, &syn_ack);
                        self.http2.syn_answered(id, &syn_ack);
                    }
                }
                Message::Request | Message::Response | Message::ResponseEnd => {
                    self.http.event(event, handshakes, done);
                }
                Message::Headers => self.http2.event(event, handshakes, done),
            },
            EventKind::Fragment { fragment, .. } => {
                let id = event.connection;
                if !fragment.recognised
                    && let Some(exchange) = self.http.upgraded(id)
                {
                    self.http2.upgraded(id, exchange);
                }
                self.http2.event(event, handshakes, done);
            }
            EventKind::ConnectFailed(socket) => {
                let connect = handshakes.failed(event.connection);
                if self.failed.len() >= MAX_FAILED {
                    self.failed_left_out += 1;
                    return;
                }
                let socket = *socket;
                self.failed.push(FailedConnect { socket, connect });
            }
            _ => {
                if let Some(event) = event.for_other_protocol() {
                    self.http2.event(event, handshakes, done);
                }
                if matches!(event.kind, EventKind::Forgotten) {
                    handshakes.forget(event.connection);
                }
                self.http.event(event, handshakes, done);
            }
        }
    }

    /// Ends what has waited for longer than its limit at `now_ns`.
    pub(super) fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
        self.handshakes.expire(now_ns);
        self.http.expire(now_ns, done);
        self.http2.expire(now_ns, done);
    }

    /// The requests that were read and not answered yet.
    pub(super) fn open(&self) -> Vec<Served> {
        self.http.served().chain(self.http2.served()).collect()
    }

    /// The failed connects since the last call.
    pub(super) fn take_failed(&mut self) -> Vec<FailedConnect> {
        std::mem::take(&mut self.failed)
    }

    /// The handshakes without a request, and their bound.
    pub(super) fn handshakes(&self) -> (usize, usize) {
        self.handshakes.occupancy()
    }

    /// The number of handshakes beyond the bound.
    pub(super) fn handshakes_left_out(&self) -> u64 {
        self.handshakes.refused()
    }

    /// Failed connects since the last clock sample, and their bound.
    pub(super) fn failed(&self) -> (usize, usize) {
        (self.failed.len(), MAX_FAILED)
    }

    /// The number of failed connects beyond the bound.
    pub(super) fn failed_left_out(&self) -> u64 {
        self.failed_left_out
    }
}
