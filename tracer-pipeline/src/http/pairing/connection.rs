//! The open exchanges of one connection, in the order of their requests.

use std::collections::VecDeque;

use super::sequence::{Place, RequestPosition, Sequence};
use crate::{
    decode::Journey,
    flow::after,
    http::exchange::{Exchange, ResponseEnd},
};

/// Most open exchanges of a connection that pipelines; a new request closes the oldest. An idle
/// connection takes some 100 bytes, an open exchange 3 KB, of which the path is at most 1 KiB.
pub(super) const MAX_PENDING: usize = 256;
/// How long an exchange whose response has arrived waits for the application to read it.
const READ_WAIT_NS: u64 = 30_000_000_000;
/// How long an exchange whose response has left the node waits for a retransmission, which comes
/// after 200 ms at the earliest (kernel: TCP_RTO_MIN).
const LEFT_WAIT_NS: u64 = 1_000_000_000;

/// The open exchanges of one connection, while it carries HTTP/1.
#[derive(Default)]
pub(super) struct Http1Connection {
    /// An answered exchange is removed when the client has read the response.
    exchanges: VecDeque<Exchange>,
    /// The client sends requests without waiting for responses.
    pipelines: bool,
    /// TCP sequence number of the newest request.
    newest_request_seq: Option<u32>,
    /// Messages on this connection are not paired any more.
    is_ignored: bool,
    /// Where the next messages begin.
    pub(super) sequence: Sequence,
}

/// Why a response is not assigned to a request.
#[derive(Clone, Copy)]
pub(super) enum Unassigned {
    /// The connection is ignored.
    Ignored,
    /// It answers no open request.
    Unmatched,
    /// It is in the body of another response.
    Body,
    /// It is not known which request it answers, or whether it is a response.
    Unsure,
}

impl Http1Connection {
    /// The open exchanges, the oldest first.
    pub(super) fn exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.iter_mut()
    }

    /// The open exchanges, read-only.
    pub(super) fn open_exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter()
    }

    /// Stops pairing: another protocol begins, or responses cannot be assigned any more.
    pub(super) fn ignore(&mut self) {
        self.is_ignored = true;
    }

    /// Whether messages on this connection are no longer paired.
    pub(super) fn is_ignored(&self) -> bool {
        self.is_ignored
    }

    /// Whether the client sends requests without waiting for responses.
    pub(super) fn pipelines(&self) -> bool {
        self.pipelines
    }

    /// Whether a request is a copy of an earlier one, which may be answered long ago.
    pub(super) fn is_copy(&self, request_seq: u32) -> bool {
        self.newest_request_seq
            .is_some_and(|newest| !after(request_seq, newest))
    }

    /// Notes what is, or looks like, a request.
    pub(super) fn note_request(&mut self, request: RequestPosition) -> Place {
        let is_behind = self.sequence.has_last_ack(request.ack);
        let place = self.sequence.request(request);
        self.pipelines |= is_behind && place == Place::Message;
        if place != Place::Body {
            self.newest_request_seq = Some(request.seq);
        }
        place
    }

    /// Notes what looks like a request and may be a part of a body. Its response would come next.
    pub(super) fn expect_any_response(&mut self, ack: u32) {
        if self.exchanges.iter().any(|open| open.response.is_none()) {
            self.sequence.response_may_follow(ack);
        } else {
            self.sequence.response_follows(ack);
        }
    }

    /// The rest of the head of the request at `seq` has come. The request ends at `end`, if that is
    /// known.
    pub(super) fn request_completed(&mut self, seq: u32, end: Option<u32>) {
        if self.newest_request_seq == Some(seq) {
            self.sequence.request_ends(end);
        }
    }

    /// The exchange that a response at `seq` in a packet with this acknowledgment number answers:
    /// the oldest one that it may answer.
    pub(super) fn answered_by(&mut self, ack: u32, seq: u32) -> Result<&mut Exchange, Unassigned> {
        if self.is_ignored {
            return Err(Unassigned::Ignored);
        }
        let mut open = self.exchanges.iter_mut();
        let first = open.find(|open| open.response.is_none() && may_answer(open, ack, seq));
        let first = first.ok_or(Unassigned::Unmatched)?;
        match self.sequence.response_at(seq) {
            Place::Message => Ok(first),
            Place::Body => Err(Unassigned::Body),
            Place::Unknown => Err(Unassigned::Unsure),
        }
    }

    /// Removes the exchanges that the packet of a response with this acknowledgment number may
    /// answer, because it is not known which of them it does. Where the response ends is not known
    /// either.
    pub(super) fn give_up_answered_by(&mut self, ack: u32) -> Vec<Exchange> {
        self.sequence.response_ends(None);
        self.remove_where(|open| open.response.is_none() && after(ack, open.request_seq))
    }

    /// Adds a new request. Returns the exchanges that are over because of it, though their response
    /// or its read was not seen.
    pub(super) fn open(&mut self, exchange: Exchange) -> Vec<Exchange> {
        let ack = exchange.request.journey.ack;
        let mut over = self.acknowledged_by(&exchange.request.journey);
        over.extend(self.superseded_by(&exchange.request.journey));
        self.exchanges.push_back(exchange);
        self.expect_response(ack);
        over
    }

    /// Removes and returns the exchanges that match.
    pub(super) fn remove_where(&mut self, predicate: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let (meant, open) = std::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(|exchange| predicate(exchange));
        self.exchanges = open;
        Vec::from(meant)
    }

    /// Removes and returns the exchanges whose response or read is overdue.
    pub(super) fn expire(&mut self, now_ns: u64, response_wait_ns: u64) -> Vec<Exchange> {
        let waited_ns = |leg_end_ns: u64| now_ns.saturating_sub(leg_end_ns);
        let mut over = self.remove_where(|exchange| match &exchange.response {
            None => waited_ns(exchange.request.end_ns()) > response_wait_ns,
            Some(response) if exchange.is_responding() => {
                waited_ns(response.end_ns()) > response_wait_ns
            }
            Some(response) => {
                let last = exchange.response_last.as_ref().unwrap_or(response);
                let wait_ns = if last.journey.has_left() {
                    LEFT_WAIT_NS
                } else {
                    READ_WAIT_NS
                };
                waited_ns(last.end_ns()) > wait_ns
            }
        });
        let is_open = |open: &&mut Exchange| open.response.is_none() || open.is_responding();
        for exchange in over.iter_mut().filter(is_open) {
            exchange.response_end = ResponseEnd::After(now_ns);
        }
        over
    }

    /// Notes that the response to the newest request, which has this acknowledgment number, comes
    /// next, if that is so.
    fn expect_response(&mut self, ack: u32) {
        let mut unanswered = self.exchanges.iter().filter(|open| open.response.is_none());
        if unanswered.nth(1).is_none() {
            self.sequence.response_follows(ack);
        }
    }

    /// Removes the exchanges whose responses have left the node, or whose response's end was not
    /// seen, and which the new request acknowledges. A client that does not pipeline has received
    /// the whole response.
    fn acknowledged_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let pipelines = self.pipelines;
        self.remove_where(|exchange| {
            exchange.last_of_response().is_some_and(|last| {
                let is_over = if exchange.is_responding() {
                    !pipelines
                } else {
                    last.journey.has_left()
                };
                is_over && after(request.ack, last.journey.seq)
            })
        })
    }

    /// Removes the unanswered exchanges that a new request shows to be over. A client that does not
    /// pipeline has received the previous response: its new request then acknowledges more bytes
    /// than its previous one.
    fn superseded_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let unanswered = |exchange: &Exchange| exchange.response.is_none();
        let Some(before) = self.exchanges.iter().rfind(|exchange| unanswered(exchange)) else {
            return Vec::new();
        };
        // `note_request` compares with the first copy of the request before; a later copy may
        // acknowledge more.
        if before.request.journey.ack == request.ack {
            self.pipelines = true;
        }
        if self.pipelines {
            let full = self.exchanges.len() >= MAX_PENDING;
            return full
                .then(|| self.exchanges.pop_front())
                .flatten()
                .into_iter()
                .collect();
        }
        self.remove_where(unanswered)
    }
}

/// Whether a response acknowledges the request and starts beyond what the client had received.
fn may_answer(exchange: &Exchange, ack: u32, seq: u32) -> bool {
    after(ack, exchange.request_seq) && !after(exchange.request.journey.ack, seq)
}

/// Whether the request is in the packet that starts at `seq`.
pub(super) fn is_request(exchange: &Exchange, seq: u32) -> bool {
    exchange.request.journey.seq == seq
}

/// Whether the response is in the packet that starts at `seq`.
pub(super) fn is_response(exchange: &Exchange, seq: u32) -> bool {
    let response = exchange.response.as_ref();
    response.is_some_and(|response| response.journey.seq == seq)
}

/// Whether the last byte of the response, in a packet of its own, is at `seq`.
pub(super) fn is_last(exchange: &Exchange, seq: u32) -> bool {
    let last = exchange.response_last.as_ref();
    last.is_some_and(|last| last.journey.read_seq() == seq)
}
