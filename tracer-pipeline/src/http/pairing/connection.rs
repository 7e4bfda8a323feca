//! The open exchanges of one connection, in the order of their requests.

mod removal;
mod unseen;

use std::collections::VecDeque;

use super::{
    doubt::Doubt,
    sequence::{Place, RequestPosition, Sequence},
};
use crate::{
    flow::{after, before},
    http::exchange::Exchange,
};

/// Most open exchanges of a connection that pipelines; a new request closes the oldest. An idle
/// connection takes some 100 bytes, an open exchange 3 KB, of which the path is at most 1 KiB.
pub(super) const MAX_PENDING: usize = 256;

/// The open exchanges of one connection, while it carries HTTP/1.
#[derive(Default)]
pub(super) struct Http1Connection {
    /// An answered exchange is removed when the client has read the response.
    exchanges: VecDeque<Open>,
    /// The client sends requests without waiting for responses.
    pipelines: bool,
    /// Where the oldest request without a response begins: where the last one with a response ends.
    /// If the client pipelines, a response is assigned only to the request there, so that a request
    /// or response that was not seen ends the pairing on the connection instead of shifting it.
    next_unanswered: Option<u32>,
    /// What was seen of the last response, or of the one that is due.
    progress: Progress,
    /// Whether the client may have sent a request without waiting, unseen. Then no response is assigned.
    doubt: Doubt,
    /// TCP sequence number of the newest request.
    newest_request_seq: Option<u32>,
    /// The same of a newer one whose packet is under way.
    leaving_seq: Option<u32>,
    /// Messages on this connection are not paired any more.
    is_ignored: bool,
    /// Where the next messages begin.
    pub(super) sequence: Sequence,
}

/// What was seen of the last response.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing, or all of it as far as is known.
    #[default]
    Over,
    /// It is due.
    Due,
    /// Interim ones (100, 103) before it.
    Interim,
    /// A part of it: its end is behind this sequence number.
    Part(u32),
    /// The same if its request, which was not seen, asks for a body.
    Unmatched(u32),
}

/// An open exchange.
struct Open {
    exchange: Exchange,
    /// Where the request ends, if that is known.
    request_end: Option<u32>,
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
        self.exchanges.iter_mut().map(|open| &mut open.exchange)
    }

    /// The open exchanges, read-only.
    pub(super) fn open_exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().map(|open| &open.exchange)
    }

    /// The open exchanges without a response, the oldest first.
    fn unanswered(&self) -> impl DoubleEndedIterator<Item = &Open> {
        let open = self.exchanges.iter();
        open.filter(|open| open.exchange.response.is_none())
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

    /// Notes what is, or looks like, a request. `None` for a copy of an earlier one, which may be
    /// answered long ago.
    pub(super) fn note_request(&mut self, request: RequestPosition) -> Option<Place> {
        let is_late = self
            .newest_request_seq
            .is_some_and(|newest| !after(request.seq, newest));
        if is_late {
            // The one behind it has overtaken it, and so cannot have waited for its response.
            let is_overtaken = request.in_sequence && self.is_missing(request.seq);
            self.pipelines |= is_overtaken;
            return is_overtaken.then_some(Place::Message);
        }
        let is_behind = self.sequence.has_last_ack(request.ack) || self.is_early(request.ack);
        let is_expected = request.in_sequence || self.sequence.is_next_request(request.seq);
        let place = self.sequence.request(request, !self.doubt.exists());
        let is_unanswered = self.progress == Progress::Due && !is_behind;
        let is_cut =
            matches!(self.progress, Progress::Unmatched(until) if !after(request.ack, until));
        let may_pipeline = is_unanswered || is_cut;
        if place != Place::Body && may_pipeline || place == Place::Unknown && !is_expected {
            self.doubt.begin();
        }
        self.pipelines |= request.pipelines || is_behind && place == Place::Message;
        if place != Place::Body {
            self.newest_request_seq = Some(request.seq);
        }
        Some(place)
    }

    /// Whether a client that has received the bytes before `ack` has not received the last response,
    /// or may have received interim ones only.
    fn is_early(&self, ack: u32) -> bool {
        let next_response = self.sequence.next_response();
        match self.progress {
            Progress::Over | Progress::Unmatched(_) => {
                next_response.is_some_and(|next| before(ack, next))
            }
            Progress::Due => next_response == Some(ack),
            Progress::Interim => true,
            Progress::Part(end) => !after(ack, end),
        }
    }

    /// Whether no request was seen at `seq`, and none behind it has a response.
    fn is_missing(&self, seq: u32) -> bool {
        let mut unanswered = self.unanswered();
        self.next_unanswered.is_some_and(|next| !before(seq, next))
            && unanswered.all(|open| open.exchange.request_seq != seq)
    }

    /// Notes what looks like a request and may be a part of a body. Its response would come next.
    pub(super) fn expect_any_response(&mut self, request: RequestPosition) {
        let is_alone = self.unanswered().next().is_none();
        if !is_alone {
            self.sequence.response_may_follow(request.ack);
        } else if !self.pipelines {
            self.next_unanswered = Some(request.seq);
            self.sequence.response_follows(request.ack);
        }
        self.progress = Progress::Due;
    }

    /// The rest of the head of the request at `seq` has come. The request ends at `end`, if that is
    /// known.
    pub(super) fn request_completed(&mut self, seq: u32, end: Option<u32>) {
        if self.newest_request_seq == Some(seq) {
            self.sequence.request_ends(end);
        }
        let mut open = self.exchanges.iter_mut();
        if let Some(open) = open.find(|open| open.exchange.request_seq == seq) {
            open.request_end = end;
        }
    }

    /// The exchange that a response at `seq` in a packet with this acknowledgment number answers:
    /// the oldest one that it may answer.
    pub(super) fn answered_by(&mut self, ack: u32, seq: u32) -> Result<&mut Exchange, Unassigned> {
        if self.is_ignored {
            return Err(Unassigned::Ignored);
        }
        let place = self.sequence.response_at(seq);
        let is_certain = !self.pipelines || self.is_ordered() && !self.doubt.exists();
        let mut open = self.exchanges().filter(|open| open.response.is_none());
        let first = open.find(|open| may_answer(open, ack, seq));
        let first = first.ok_or(Unassigned::Unmatched)?;
        match place {
            Place::Message if is_certain => Ok(first),
            Place::Body => Err(Unassigned::Body),
            Place::Message | Place::Unknown => Err(Unassigned::Unsure),
        }
    }

    /// Whether an open request without a response may be answered by a packet with these numbers.
    pub(super) fn awaits_response(&self, ack: u32, seq: u32) -> bool {
        let mut open = self.unanswered();
        open.any(|open| may_answer(&open.exchange, ack, seq))
    }

    /// Whether it is known that the next response is that of the oldest open request: no request is
    /// missing before it, and no response.
    pub(super) fn is_ordered(&self) -> bool {
        let oldest = self.unanswered().next();
        let oldest = oldest.map(|open| open.exchange.request_seq);
        oldest.is_none_or(|oldest| self.next_unanswered == Some(oldest))
            && self.sequence.next_response().is_some()
    }

    /// The request at `request_seq` has a response, which ends at `end`, or else behind `until`, if
    /// that is known.
    pub(super) fn answered(&mut self, request_seq: u32, end: Option<u32>, until: Option<u32>) {
        let mut open = self.exchanges.iter();
        let open = open.find(|open| open.exchange.request_seq == request_seq);
        self.next_unanswered = open.and_then(|open| open.request_end);
        self.progress = until.map_or(Progress::Over, Progress::Part);
        self.sequence.response_ends(end);
    }

    /// A packet of the server up to `end_seq` acknowledges `ack`. If the server has sent it without
    /// having received the newest request, and it goes beyond what the client had received before
    /// that request, the client has not waited for it.
    pub(super) fn server_sends(&mut self, end_seq: u32, ack: u32) {
        let crosses = self
            .newest_request_seq
            .is_some_and(|newest| !after(ack, newest))
            && self.sequence.is_behind_last_ack(end_seq);
        if crosses && !self.pipelines {
            self.pipelines = true;
            self.next_unanswered = None;
            self.sequence.response_ends(None);
        }
    }

    /// Whether a response to the newest request is assigned to it, or withheld in doubt.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.exists()
    }

    /// A response begins at `seq`, where the client had received to before the newest request, and
    /// acknowledges `ack`: it counts against a doubt.
    pub(super) fn takes_turns(&mut self, seq: u32, ack: u32) {
        let is_last = self
            .newest_request_seq
            .is_some_and(|newest| after(ack, newest));
        if is_last && !self.pipelines && self.sequence.has_last_ack(seq) {
            self.doubt.exchange();
        }
    }

    /// Something was not seen behind which it is not known which request a response answers.
    pub(super) fn doubts(&mut self) {
        self.doubt.begin();
    }

    /// The head of a response has begun at `seq`, and goes on behind `until`.
    pub(super) fn response_begins(&mut self, seq: u32, until: u32) {
        if self.sequence.response_at(seq) == Place::Message {
            self.progress = Progress::Part(until);
        } else if self.is_unknown() {
            // Its request was not seen.
            self.doubt.begin();
        }
    }

    /// A response of which only the end was seen: it is not known which request is answered next.
    pub(super) fn loses_order(&mut self) {
        self.next_unanswered = None;
    }

    /// The last response ends at `end`.
    pub(super) fn response_ends(&mut self, end: u32) {
        self.progress = Progress::Over;
        self.sequence.response_ends(Some(end));
    }

    /// An interim response ends at `end`, if that is known.
    pub(super) fn interim_response(&mut self, end: Option<u32>) {
        self.progress = Progress::Interim;
        self.sequence.response_ends(end);
    }

    /// Whether no request was seen.
    pub(super) fn is_unknown(&self) -> bool {
        self.newest_request_seq.is_none()
    }

    /// Removes the exchanges that the packet of a response with this acknowledgment number may
    /// answer, because it is not known which of them it does. Where the response ends is not known
    /// either.
    pub(super) fn give_up_answered_by(&mut self, ack: u32) -> Vec<Exchange> {
        self.sequence.response_ends(None);
        self.next_unanswered = None;
        self.remove_where(|open| {
            let may_be_answered = open.response.is_none() && after(ack, open.request_seq);
            // The end of a response before it was not seen.
            may_be_answered || open.is_responding()
        })
    }

    /// Adds a new request, which ends at `request_end`, if that is known. Returns the exchanges that
    /// are over because of it, though their response or its read was not seen.
    pub(super) fn open(&mut self, exchange: Exchange, request_end: Option<u32>) -> Vec<Exchange> {
        let (seq, ack) = (exchange.request_seq, exchange.request.journey.ack);
        let mut over = self.acknowledged_by(&exchange.request.journey);
        over.extend(self.superseded_by(&exchange.request.journey));
        let mut known = self.exchanges.iter();
        let before = known.rposition(|open| before(open.exchange.request_seq, seq));
        let open = Open {
            exchange,
            request_end,
        };
        self.exchanges
            .insert(before.map_or(0, |before| before + 1), open);
        self.expect_response(seq, ack);
        over
    }

    /// Removes and returns the exchanges that match.
    pub(super) fn remove_where(&mut self, predicate: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        self.remove_open_where(|open| predicate(&open.exchange))
    }

    fn remove_open_where(&mut self, predicate: impl Fn(&Open) -> bool) -> Vec<Exchange> {
        let (meant, open): (VecDeque<Open>, _) = std::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(predicate);
        self.exchanges = open;
        meant.into_iter().map(|open| open.exchange).collect()
    }

    /// Notes that the response to the newest request, which has these numbers, comes next, if that
    /// is so.
    fn expect_response(&mut self, seq: u32, ack: u32) {
        self.progress = Progress::Due;
        if self.unanswered().nth(1).is_some() {
            return;
        }
        if !self.pipelines {
            self.next_unanswered = Some(seq);
            self.sequence.response_follows(ack);
        } else if self
            .sequence
            .next_response()
            .is_some_and(|next| before(next, ack))
        {
            // The client has received something that was not seen.
            self.sequence.response_ends(None);
        }
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
