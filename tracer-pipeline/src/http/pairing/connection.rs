//! The open exchanges of one connection, in the order of their requests.

use std::collections::VecDeque;

use crate::{
    decode::Journey,
    flow::{Cause, Ending, after},
    http::exchange::Exchange,
};

/// Unanswered requests of one connection; the oldest is given up for a new one. An idle connection takes
/// some 100 bytes here, an open exchange 3 KB, of which a path has at most 1 KiB.
pub(super) const MAX_PENDING: usize = 256;
/// An exchange whose response has arrived waits this long for the application to read it.
const READ_WAIT_NS: u64 = 30_000_000_000;
/// One whose response has left the node waits this long for TCP to send it again, which it does after
/// 200 ms at least (kernel: TCP_RTO_MIN).
const LEFT_WAIT_NS: u64 = 1_000_000_000;

/// One connection, for as long as it carries HTTP/1.
#[derive(Default)]
pub(super) struct Connection {
    /// Answered ones leave when the client has read the response.
    exchanges: VecDeque<Exchange>,
    /// The client sends without waiting for answers.
    pipelines: bool,
    /// Where the newest request starts.
    newest_request_seq: Option<u32>,
    /// Another protocol has begun.
    is_left_alone: bool,
}

impl Connection {
    /// The open exchanges.
    pub(super) fn exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.iter_mut()
    }

    /// The same, to look at.
    pub(super) fn open_exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter()
    }

    /// Another protocol begins: what looks like a head from now on is none.
    pub(super) fn leave_alone(&mut self) {
        self.is_left_alone = true;
    }

    /// Whether another protocol has begun.
    pub(super) fn is_left_alone(&self) -> bool {
        self.is_left_alone
    }

    /// Whether a request is none that was seen before, perhaps answered long ago.
    pub(super) fn is_new(&self, exchange: &Exchange) -> bool {
        let is_copy = self
            .newest_request_seq
            .is_some_and(|newest| !after(exchange.request_seq, newest));
        !is_copy && !self.is_left_alone
    }

    /// Adds a new request; the exchanges that it shows to be over, though no response was seen, or none
    /// was seen to be read.
    pub(super) fn open(&mut self, exchange: Exchange) -> Vec<Exchange> {
        self.newest_request_seq = Some(exchange.request_seq);
        let mut over = self.received_before(&exchange.request.journey);
        over.extend(self.overtaken_by(&exchange.request.journey));
        self.exchanges.push_back(exchange);
        over
    }

    /// Takes those exchanges out that are meant.
    pub(super) fn take(&mut self, is_meant: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let (meant, open) = std::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(|exchange| is_meant(exchange));
        self.exchanges = open;
        Vec::from(meant)
    }

    /// Takes those out that wait in vain.
    pub(super) fn expire(&mut self, now_ns: u64, response_wait_ns: u64) -> Vec<Exchange> {
        let waited_ns = |leg_end_ns: u64| now_ns.saturating_sub(leg_end_ns);
        let mut over = self.take(|exchange| match &exchange.response {
            Some(response) if response.journey.has_left() => {
                waited_ns(response.end_ns()) > LEFT_WAIT_NS
            }
            Some(response) => waited_ns(response.end_ns()) > READ_WAIT_NS,
            None => waited_ns(exchange.request.end_ns()) > response_wait_ns,
        });
        for exchange in &mut over {
            if exchange.response.is_none() {
                exchange.ending = Some(Ending {
                    cause: Cause::TimedOut,
                    by: None,
                    at_ns: now_ns,
                });
            }
        }
        over
    }

    /// Those whose responses have left the node, and were received: the new request acknowledges them.
    fn received_before(&mut self, request: &Journey) -> Vec<Exchange> {
        self.take(|exchange| {
            exchange.response.as_ref().is_some_and(|response| {
                let journey = &response.journey;
                journey.has_left() && after(request.ack, journey.seq)
            })
        })
    }

    /// A client that does not pipeline has its answer before it asks again: the new request then
    /// acknowledges more than the one before it did.
    fn overtaken_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let unanswered = |exchange: &Exchange| exchange.response.is_none();
        let Some(before) = self.exchanges.iter().rfind(|exchange| unanswered(exchange)) else {
            return Vec::new();
        };
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
        self.take(unanswered)
    }
}

/// A response acknowledges the request, and starts where the client had received no byte yet.
pub(super) fn may_answer(exchange: &Exchange, ack: u32, seq: u32) -> bool {
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
