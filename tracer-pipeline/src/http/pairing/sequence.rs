//! Where the next request and the next response of a connection begin.
//!
//! In: the messages of a connection that were accepted. Out: whether what looks like a message is
//! one. A body can look like anything; only its position tells it from a message. Positions are
//! sequence numbers of TCP.

use crate::flow::{after, before};

/// What something that looks like a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A message begins there.
    Message,
    /// It is within the message before.
    Body,
    /// Not known: the message before has an end that is not known, or was not seen.
    Unknown,
}

/// A request, as far as its position matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestPosition {
    /// Its first byte.
    pub(super) seq: u32,
    /// The acknowledgment number of its packet.
    pub(super) ack: u32,
    /// The kernel programs have found it where the connection begins, or the request before it
    /// ends.
    pub(super) in_sequence: bool,
    /// The client has sent one before the response to the one before.
    pub(super) pipelines: bool,
    /// Its packet begins with it.
    pub(super) begins_packet: bool,
    /// Where it ends, if that is known.
    pub(super) end: Option<u32>,
}

/// Where the next messages of a connection begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    /// Requests are told from bodies.
    is_known: bool,
    /// Where the next request begins, as far as the last one tells it.
    next_request: Option<u32>,
    /// The acknowledgment number of what looked like the last request.
    last_ack: Option<u32>,
    /// Where the next response begins.
    next_response: Option<u32>,
}

impl Sequence {
    /// Takes what looks like a request.
    ///
    /// On a connection that was open before it was watched, the first one may be a part of a body.
    /// A later one is a request if it begins where the one before ends, with a packet, the server has
    /// sent something between them, and what was seen before `is_certain`.
    pub(super) fn request(&mut self, request: RequestPosition, is_certain: bool) -> Place {
        let is_inside = self
            .next_request
            .is_some_and(|next| before(request.seq, next));
        if self.is_known && is_inside {
            // The kernel programs have lost and found again where requests begin.
            return Place::Body;
        } else if request.in_sequence {
            // Behind two parts of a body that look like requests they are wrong about it, too.
            self.is_known |= is_certain;
        } else if self.next_request == Some(request.seq) {
            let is_answered = self.last_ack.is_some_and(|ack| after(request.ack, ack));
            self.is_known |= is_answered && request.begins_packet && is_certain;
        } else if is_inside {
            return Place::Body;
        } else {
            self.is_known = false;
        }
        self.next_request = request.end;
        self.last_ack = Some(request.ack);
        if self.is_known {
            Place::Message
        } else {
            Place::Unknown
        }
    }

    /// A request has this acknowledgment number, and all requests before it have responses: the
    /// client has received everything before the response to this one.
    pub(super) fn response_follows(&mut self, ack: u32) {
        let next = self.next_response.filter(|next| after(*next, ack));
        self.next_response = next.or(Some(ack));
    }

    /// What looks like a request has this acknowledgment number, while others wait for their
    /// responses.
    pub(super) fn response_may_follow(&mut self, ack: u32) {
        self.next_response = self.next_response.filter(|next| *next == ack);
    }

    /// Whether what looked like the last request has this acknowledgment number.
    pub(super) fn has_last_ack(&self, ack: u32) -> bool {
        self.last_ack == Some(ack)
    }

    /// Whether `end_seq` is behind the acknowledgment number of what looked like the last request.
    pub(super) fn is_behind_last_ack(&self, end_seq: u32) -> bool {
        self.last_ack.is_some_and(|ack| after(end_seq, ack))
    }

    /// Whether the last request ends at `seq`.
    pub(super) fn is_next_request(&self, seq: u32) -> bool {
        self.next_request == Some(seq)
    }

    /// Where the last request ends, if that is known.
    pub(super) fn next_request(&self) -> Option<u32> {
        self.next_request
    }

    /// The rest of the last request's head has come.
    pub(super) fn request_ends(&mut self, end: Option<u32>) {
        self.next_request = end;
    }

    /// Whether a response begins at `seq`.
    pub(super) fn response_at(&self, seq: u32) -> Place {
        match self.next_response {
            Some(next) if next == seq => Place::Message,
            Some(next) if before(seq, next) => Place::Body,
            _ => Place::Unknown,
        }
    }

    /// Where the next response begins, if that is known.
    pub(super) fn next_response(&self) -> Option<u32> {
        self.next_response
    }

    /// A response ends at `end`, if that is known.
    pub(super) fn response_ends(&mut self, end: Option<u32>) {
        self.next_response = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(seq: u32, ack: u32, end: Option<u32>) -> RequestPosition {
        RequestPosition {
            seq,
            ack,
            in_sequence: false,
            pipelines: false,
            begins_packet: true,
            end,
        }
    }

    fn first(end: Option<u32>) -> RequestPosition {
        RequestPosition {
            in_sequence: true,
            ..request(100, 1, end)
        }
    }

    #[test]
    fn what_lies_in_a_body_is_no_request() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.request(first(Some(200)), true), Place::Message);
        assert_eq!(sequence.request(request(150, 1, None), true), Place::Body);
        assert_eq!(sequence.request(request(150, 26, None), true), Place::Body);
        let next = request(200, 50, Some(250));
        assert_eq!(sequence.request(next, true), Place::Message);
        // Something between was not seen.
        let beyond = request(300, 90, Some(350));
        assert_eq!(sequence.request(beyond, true), Place::Unknown);
    }

    #[test]
    fn behind_a_body_of_unknown_length_only_the_kernel_knows() {
        let mut sequence = Sequence::default();
        sequence.request(first(None), true);
        let found = RequestPosition {
            in_sequence: true,
            ..request(900, 50, None)
        };
        assert_eq!(sequence.request(found, true), Place::Message);
        assert_eq!(
            sequence.request(request(990, 90, None), true),
            Place::Unknown
        );
    }

    #[test]
    fn a_connection_that_was_open_before_is_known_from_the_second_request_on() {
        let mut sequence = Sequence::default();
        let place = sequence.request(request(500, 1, Some(550)), true);
        assert_eq!(place, Place::Unknown);
        // The server has sent nothing: both may be parts of one body.
        let place = sequence.request(request(550, 1, Some(600)), true);
        assert_eq!(place, Place::Unknown);
        let place = sequence.request(request(600, 40, Some(650)), true);
        assert_eq!(place, Place::Message);
    }

    #[test]
    fn responses_begin_where_the_client_has_read_to_or_where_the_one_before_ends() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.response_at(1), Place::Unknown);
        sequence.request(first(Some(200)), true);
        sequence.response_follows(1);
        assert_eq!(sequence.response_at(1), Place::Message);
        sequence.response_ends(Some(90));
        assert_eq!(sequence.response_at(40), Place::Body);
        assert_eq!(sequence.response_at(90), Place::Message);
        assert_eq!(sequence.response_at(91), Place::Unknown);
        sequence.response_ends(None);
        assert_eq!(sequence.response_at(120), Place::Unknown);
        sequence.request(request(200, 130, Some(250)), true);
        sequence.response_follows(130);
        assert_eq!(sequence.response_at(120), Place::Body);
        assert_eq!(sequence.response_at(130), Place::Message);
    }
}
