//! One open stream: its request, what was seen of its response, and how it ended.

use crate::{
    flow::{Cause, Ending, LastLoss, PacketId, Side, after},
    http::{Answered, Asked, Leg, Reset, ResponseEnd},
};

/// How long a stream whose response has ended waits for the application to read it.
const READ_WAIT_NS: u64 = 30_000_000_000;
/// How long a stream that was reset within its response waits for the application to read the rest.
const RESET_WAIT_NS: u64 = 1_000_000_000;

pub(super) struct OpenStream {
    pub(super) asked: Asked,
    pub(super) request: PacketId,
    pub(super) request_seq: u32,
    /// What the response's head or its trailers contain; `None` before the first of them.
    pub(super) answered: Option<Answered>,
    /// The length of the response's body, if its head tells it.
    pub(super) body_bytes: Option<u32>,
    pub(super) response: Option<PacketId>,
    pub(super) trailers: Option<PacketId>,
    pub(super) close: Option<Close>,
    /// Frames of the server were lost since the request, or the head of the response, and may have
    /// been those of this stream.
    pub(super) is_unsure: bool,
    /// Frames of the client were lost since the request, and may have been a reset.
    pub(super) may_be_reset: bool,
    /// It is not known how the stream ends, and no further event of it will come: the decoder has
    /// removed it, or it was reset after a loss.
    pub(super) is_lost: bool,
}

/// What was seen of the packets of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// No journey of the request.
    Nothing,
    Request,
    /// The request, and the drop of a packet of the response that has not arrived since.
    Dropped,
}

/// How a stream ended.
#[derive(Clone, Copy)]
pub(super) enum Close {
    /// With the response, the end of which was in a packet of this time.
    Response { at_ns: u64 },
    /// By one side, before the end of the response.
    Reset(Reset),
    /// With its connection, before the end of the response.
    Connection(Ending),
    /// It has not: the response takes longer than the agent waits, which is until this time.
    Overdue { at_ns: u64 },
}

impl Close {
    /// Whether a frame of the server is the end.
    pub(super) fn is_by_server(self) -> bool {
        match self {
            Self::Response { .. } => true,
            Self::Reset(reset) => reset.by == Side::Server,
            Self::Connection(_) | Self::Overdue { .. } => false,
        }
    }
}

impl OpenStream {
    pub(super) fn new(asked: Asked, request: PacketId, request_seq: u32) -> Self {
        Self {
            asked,
            request,
            request_seq,
            answered: None,
            body_bytes: None,
            response: None,
            trailers: None,
            close: None,
            is_unsure: false,
            may_be_reset: false,
            is_lost: false,
        }
    }

    /// The first end counts. A reset after a loss may have come after the end of the response, and a
    /// GOAWAY before the request that it leaves out.
    pub(super) fn end(&mut self, mut close: Close) {
        if let Close::Reset(reset) = &mut close {
            self.is_lost |= self.is_unsure;
            reset.at_ns = reset.at_ns.max(self.request.start_ns());
        }
        if !self.is_lost {
            self.close.get_or_insert(close);
        }
    }

    /// The packets with HEADERS of this stream.
    pub(super) fn packets(&self) -> impl Iterator<Item = PacketId> + use<> {
        [Some(self.request), self.response, self.trailers]
            .into_iter()
            .flatten()
    }

    /// Whether nothing but reads are awaited. After a loss the end of a response may never be seen;
    /// only of a gRPC call it is still awaited, because it carries the status.
    pub(super) fn is_final(&self) -> bool {
        self.close.is_some() || self.is_lost || self.is_unsure && self.has_status()
    }

    /// Whether the stream is removed without its response, or its gRPC status.
    pub(super) fn is_given_up(&self) -> bool {
        self.close.is_none() && !self.has_status()
    }

    /// Whether the end of the connection is the end of this stream: no frame of the response, and no
    /// reset, can have been missed.
    pub(super) fn ends_with_connection(&self, last_loss: LastLoss) -> bool {
        let may_be_over = self.is_unsure || self.may_be_reset || self.is_lost;
        let is_hidden = last_loss.may_hide(self.request.start_ns());
        self.close.is_none() && !may_be_over && !is_hidden
    }

    /// Whether the agent waits no longer for the response or its end. A gRPC call waits for as long
    /// as its connection lives: it may be a stream that is silent at first.
    pub(super) fn is_overdue(&self, now_ns: u64, response_wait_ns: u64) -> bool {
        let since = self.response.unwrap_or(self.request);
        let waits = self.close.is_none() && !self.asked.is_grpc;
        waits && since.age_ns(now_ns) > response_wait_ns
    }

    /// The same of a response whose packets were all dropped.
    pub(super) fn is_overdue_dropped(&self, now_ns: u64, response_wait_ns: u64) -> bool {
        let is_over = matches!(self.close, Some(Close::Response { .. }));
        is_over && self.request.age_ns(now_ns) > response_wait_ns
    }

    /// Whether the stream waits no longer for the reads of its packets.
    pub(super) fn is_unread(&self, now_ns: u64, seen: Seen) -> bool {
        let age_ns = |at_ns| now_ns.saturating_sub(at_ns);
        let has_journey = seen != Seen::Nothing;
        match self.close {
            Some(Close::Response { .. }) if seen == Seen::Dropped => false,
            Some(Close::Response { at_ns }) => age_ns(at_ns) > READ_WAIT_NS,
            Some(Close::Reset(reset)) if has_journey => age_ns(reset.at_ns) > RESET_WAIT_NS,
            Some(Close::Reset(reset)) => age_ns(reset.at_ns) > READ_WAIT_NS,
            Some(Close::Connection(_) | Close::Overdue { .. }) => true,
            None => {
                let last = self.packets().last().unwrap_or(self.request);
                self.is_final() && last.age_ns(now_ns) > READ_WAIT_NS
            }
        }
    }

    pub(super) fn reset(&self) -> Option<Reset> {
        match self.close {
            Some(Close::Reset(reset)) => Some(reset),
            _ => None,
        }
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        match self.close {
            Some(Close::Connection(ending)) => Some(ending),
            _ => None,
        }
    }

    pub(super) fn response_end(&self) -> ResponseEnd {
        match self.close {
            Some(Close::Response { at_ns }) => ResponseEnd::At(at_ns),
            Some(Close::Overdue { at_ns }) => ResponseEnd::After(at_ns),
            _ if self.answered.is_some() => ResponseEnd::Unseen,
            _ => ResponseEnd::NotFollowed,
        }
    }
    /// Whether the head of the response shows the result, which for a gRPC call its trailers do.
    fn has_status(&self) -> bool {
        self.answered.is_some() && !self.asked.is_grpc
    }
}

/// Whether a response may be whole for its client, of whose body the length is known: a client that has
/// it all may close the connection before the frame that ends the stream. Each of the two frames has a
/// header.
pub(super) fn may_be_whole(response: &Leg, body_bytes: u32, ending: &Ending) -> bool {
    let received = ending.response_until();
    let received = received.map(|until| until.wrapping_sub(response.journey.seq));
    let is_closed = ending.cause == Cause::Closed;
    is_closed && received.is_some_and(|received| received >= body_bytes.saturating_add(18))
}

/// Whether a request may be answered though no frame of the server was seen: the server has sent
/// more than a FIN behind what the client had received before it sent the request.
pub(super) fn may_be_answered(request: &Leg, ending: &Ending) -> bool {
    let received = request.journey.ack;
    let until = ending.response_until();
    until.is_some_and(|until| after(until, received.wrapping_add(1)))
}
