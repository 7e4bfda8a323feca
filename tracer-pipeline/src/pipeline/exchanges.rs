//! Each event of a connection to the stage that it concerns.
//!
//! In: events. Out: exchanges that are over, and connects that have failed. Knows no names and no spans.

use tracer_common::message::Message;

use crate::{
    flow::{self, EventKind},
    http::{self, Exchange, FailedConnect, Handshakes, Served},
    http2,
};

/// Connects that have failed between two clock samples, up to 2 KB each. More are a loop that tries the
/// same socket again and again, and are left out.
const MAX_FAILED: usize = 8192;

/// What is open on all connections.
#[derive(Default)]
pub(super) struct Exchanges {
    handshakes: Handshakes,
    pub(super) http: http::Http1Pairing,
    pub(super) http2: http2::pairing::Http2Pairing,
    /// Connects that have failed since they were taken last.
    failed: Vec<FailedConnect>,
    failed_left_out: u64,
}

impl Exchanges {
    /// How long a request waits for its response, nanoseconds.
    pub(super) fn wait_for_response(&mut self, wait_ns: u64) {
        self.http.wait_for_response(wait_ns);
        self.http2.wait_for_response(wait_ns);
    }

    /// Something has happened on a connection; gives what is over by it to `done`.
    pub(super) fn event(&mut self, event: flow::Event, done: &mut impl FnMut(Exchange)) {
        let handshakes = &mut self.handshakes;
        match &event.kind {
            EventKind::Journey { journey, .. } => match journey.message {
                Message::Syn | Message::SynAck => handshakes.event(event),
                Message::Request | Message::Response => self.http.event(event, handshakes, done),
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

    /// Gives up what has waited for too long.
    pub(super) fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
        self.handshakes.expire(now_ns);
        self.http.expire(now_ns, done);
        self.http2.expire(now_ns, done);
    }

    /// The requests that are being answered.
    pub(super) fn open(&self) -> Vec<Served> {
        self.http.served().chain(self.http2.served()).collect()
    }

    /// The connects that have failed since this was asked last.
    pub(super) fn take_failed(&mut self) -> Vec<FailedConnect> {
        std::mem::take(&mut self.failed)
    }

    /// Failed connects beyond the bound.
    pub(super) fn failed_left_out(&self) -> u64 {
        self.failed_left_out
    }
}
