//! What shows that a message of a connection was not seen: a head whose packet has no record, a
//! response without a request.

use super::{Http1Connection, Place, Progress};
use crate::{
    decode::Journey,
    flow::{after, before},
};

impl Http1Connection {
    /// Notes the head of a request at `seq`, whose packet is under way.
    pub(in super::super) fn request_leaves(&mut self, seq: u32) {
        let newest = self.newest_request_seq;
        if newest.is_none_or(|newest| after(seq, newest)) {
            self.leaving_seq.get_or_insert(seq);
        }
    }

    /// The packet of a request has arrived, or is dropped. The record of one before it may be lost.
    pub(in super::super) fn request_left(&mut self, packet: &Journey) {
        let end_seq = packet.seq.wrapping_add(packet.payload_bytes);
        let left = self.leaving_seq.take_if(|seq| before(*seq, end_seq));
        if left.is_some_and(|seq| before(seq, packet.seq)) {
            self.doubt.begin();
        }
    }

    /// Whether a response may begin at `seq` in a packet with this acknowledgment number, be it one to
    /// a request that was not seen.
    pub(in super::super) fn may_begin_response(&self, seq: u32, ack: u32) -> bool {
        let is_requested = match self.sequence.response_at(seq) {
            Place::Message => true,
            Place::Body => false,
            // What the server has received behind the newest request that was seen may be another one.
            Place::Unknown => {
                let end = self.sequence.next_request();
                let waits = self.unanswered().next().is_some();
                waits || end.is_none_or(|end| after(ack, end))
            }
        };
        is_requested || self.is_unknown()
    }

    /// Notes a response to a request that was not seen, or is not known. If it has a body, it ends
    /// behind `until`, as far as that is known.
    pub(in super::super) fn answered_unseen(&mut self, until: Option<u32>) {
        self.progress = until.map_or(Progress::Over, Progress::Unmatched);
        self.sequence.response_ends(None);
    }
}
