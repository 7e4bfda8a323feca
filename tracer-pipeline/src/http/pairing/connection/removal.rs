//! Removes the exchanges of a connection that are over without their end having been seen: overdue,
//! or behind which the client has sent its next request.

use super::{Http1Connection, MAX_PENDING};
use crate::{
    decode::Journey,
    flow::after,
    http::exchange::{Exchange, Leg, ResponseEnd},
};

/// How long an exchange whose response has arrived waits for the application to read it.
const READ_WAIT_NS: u64 = 30_000_000_000;
/// How long an exchange whose response has left the node waits for a retransmission, which comes
/// after 200 ms at the earliest (kernel: TCP_RTO_MIN).
const LEFT_WAIT_NS: u64 = 1_000_000_000;

/// What a client may send behind a request without another one: an empty line, and a FIN.
const NO_REQUEST_BYTES: u32 = 3;

impl Http1Connection {
    /// Removes and returns the exchanges whose response or read is overdue.
    pub(in super::super) fn expire(&mut self, now_ns: u64, response_wait_ns: u64) -> Vec<Exchange> {
        let waited_ns = |leg_end_ns: u64| now_ns.saturating_sub(leg_end_ns);
        let mut over = self.remove_where(|exchange| match &exchange.response {
            None => waited_ns(exchange.request.end_ns()) > response_wait_ns,
            Some(response) if exchange.is_responding() || response.is_dropped() => {
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
        let is_open = |open: &&mut Exchange| {
            let response = open.response.as_ref();
            response.is_none_or(Leg::is_dropped) || open.is_responding()
        };
        for exchange in over.iter_mut().filter(is_open) {
            exchange.response_end = ResponseEnd::After(now_ns);
        }
        over
    }

    /// Removes the exchanges whose responses have left the node, or whose response's end was not
    /// seen, and which the new request acknowledges. A client that does not pipeline has received
    /// the whole response.
    pub(super) fn acknowledged_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let pipelines = self.pipelines;
        self.remove_where(|exchange| {
            exchange.last_of_response().is_some_and(|last| {
                let is_over = if exchange.is_responding() {
                    !pipelines
                } else {
                    last.journey.has_left() || last.is_dropped()
                };
                is_over && after(request.ack, last.journey.seq)
            })
        })
    }

    /// Removes the exchanges whose response has begun, and ended unseen before a packet of the server
    /// with this acknowledgment number: the server had received something behind the request, and
    /// since the response has begun.
    pub(in super::super) fn answered_before(&mut self, ack: u32) -> Vec<Exchange> {
        self.remove_open_where(|open| {
            let response = open.exchange.response.as_ref();
            let is_behind = |seq: u32| after(ack, seq.wrapping_add(NO_REQUEST_BYTES));
            let is_later = response.is_some_and(|response| is_behind(response.journey.ack));
            open.exchange.is_responding() && is_later && open.request_end.is_none_or(is_behind)
        })
    }

    /// Removes the unanswered exchanges that a new request shows to be over. A client that does not
    /// pipeline has received the previous response: its new request then acknowledges more bytes
    /// than its previous one.
    pub(super) fn superseded_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let unanswered = |exchange: &Exchange| exchange.response.is_none();
        let Some(before) = self.unanswered().next_back() else {
            return Vec::new();
        };
        // `note_request` compares with the first copy of the request before; a later copy may
        // acknowledge more.
        if before.exchange.request.journey.ack == request.ack {
            self.pipelines = true;
        }
        if self.pipelines {
            let full = self.exchanges.len() >= MAX_PENDING;
            return full
                .then(|| self.exchanges.pop_front())
                .flatten()
                .map(|open| open.exchange)
                .into_iter()
                .collect();
        }
        self.remove_where(unanswered)
    }
}
