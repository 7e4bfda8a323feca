//! Heads that do not end with their packet, joined from its pieces.
//!
//! In: the pieces. Out: the head, when it is complete. A message whose first piece does not even
//! have its method or status waits here for the rest.

use std::collections::HashMap;

use bytes::Bytes;
use tracer_common::{head::MAX_HEAD_BYTES, message::Message};

use crate::{
    decode::Head,
    flow::{ConnectionId, PacketId},
};

use super::{
    exchange::Leg,
    packet_heads::{self, LocatedHead},
};

/// Most incomplete heads at a time; further heads stay cut.
pub(crate) const MAX_PARTIAL: usize = 1024;
/// How long an incomplete head waits for its rest.
const WAIT_NS: u64 = 10_000_000_000;

/// A message whose journey has ended before enough of its head was there.
pub(super) struct WaitingLeg {
    pub(super) connection: ConnectionId,
    pub(super) leg: Leg,
}

struct PartialHead {
    packet: PacketId,
    message: Message,
    /// Where the head begins in the payload of its packet.
    offset: u32,
    next_seq: u32,
    bytes: Vec<u8>,
    waiting: Option<WaitingLeg>,
}

impl PartialHead {
    /// Sequence number of the head's first byte.
    fn seq(&self) -> u32 {
        self.packet.seq().wrapping_add(self.offset)
    }
}

/// A head that is complete now.
pub(super) struct CompletedHead {
    /// The packet in which the head starts.
    pub(super) packet: PacketId,
    /// The parsed head.
    pub(super) head: LocatedHead,
    /// The message, if it waits for its head.
    pub(super) waiting: Option<WaitingLeg>,
}

/// What a piece does.
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart at once: a box would cost each head an allocation"
)]
pub(super) enum Appended {
    /// It completes its head.
    Complete(CompletedHead),
    /// Its head is still incomplete, or has no earlier piece here.
    Incomplete,
    /// Its head is dropped: a piece before it is missing, or the head is none.
    Dropped,
}

/// Incomplete heads, and the messages that wait for them.
#[derive(Default)]
pub(super) struct PartialHeads {
    /// By the cookie of the socket that sends them; only one message of a socket waits.
    by_sender: HashMap<u64, PartialHead>,
    /// The socket that sends each waiting message. A read has the connection alone.
    senders: HashMap<(ConnectionId, Message), u64>,
}

impl PartialHeads {
    /// Stores a head that starts at `offset` of its packet's payload and continues in the next one.
    /// Returns whether another head is dropped for it, whose rest has not come.
    pub(super) fn start(&mut self, head: &Head, offset: u32) -> bool {
        let known = self.by_sender.contains_key(&head.sender_cookie);
        let room = self.by_sender.len() < MAX_PARTIAL || known;
        // Where only part of the packet was copied, the next bytes do not continue the copy.
        let end = head
            .offset
            .checked_add(u32::try_from(head.bytes.len()).unwrap_or(u32::MAX));
        let is_whole = end == Some(head.payload_bytes);
        let skipped = offset.saturating_sub(head.offset) as usize;
        let Some(bytes) = head.bytes.get(skipped..).filter(|_| room && is_whole) else {
            return false;
        };
        let partial = PartialHead {
            packet: PacketId::from(head),
            message: head.message,
            offset,
            next_seq: head.seq.wrapping_add(head.payload_bytes),
            bytes: bytes.to_vec(),
            waiting: None,
        };
        let seq = partial.seq();
        let before = self.remove(head.sender_cookie);
        self.by_sender.insert(head.sender_cookie, partial);
        // The same head comes again if its first piece is sent again.
        before.is_some_and(|before| before.seq() != seq)
    }

    /// Appends the following bytes.
    pub(super) fn append(&mut self, cookie: u64, seq: u32, bytes: &Bytes) -> Appended {
        let Some(partial) = self.by_sender.get_mut(&cookie) else {
            return Appended::Incomplete;
        };
        if seq != partial.next_seq {
            self.remove(cookie);
            return Appended::Dropped;
        }
        let room = MAX_HEAD_BYTES.saturating_sub(partial.bytes.len());
        partial.bytes.extend(bytes.iter().take(room));
        partial.next_seq = seq.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let parsed = packet_heads::head_at(partial.message, partial.offset, &partial.bytes, 0);
        let head = parsed.ok();
        let is_full = partial.bytes.len() >= MAX_HEAD_BYTES;
        let head = head.filter(|head| head.head_end.is_some() || is_full);
        if head.is_none() && !is_full {
            return Appended::Incomplete;
        }
        match (self.remove(cookie), head) {
            (Some(partial), Some(head)) => Appended::Complete(CompletedHead {
                packet: partial.packet,
                head,
                waiting: partial.waiting,
            }),
            _ => Appended::Dropped,
        }
    }

    /// Keeps a message until its head is complete. False if its head is not here.
    pub(super) fn wait(&mut self, message: WaitingLeg) -> bool {
        let journey = &message.leg.journey;
        let partial = self.by_sender.get_mut(&journey.sender_cookie);
        let packet = PacketId::from(journey);
        let Some(partial) = partial.filter(|partial| partial.packet == packet) else {
            return false;
        };
        let key = (message.connection, journey.message);
        self.senders.insert(key, journey.sender_cookie);
        partial.waiting = Some(message);
        true
    }

    /// The message of a connection that waits for its head, if its packet starts at `seq`.
    pub(super) fn waiting(
        &mut self,
        connection: ConnectionId,
        message: Message,
        seq: u32,
    ) -> Option<&mut Leg> {
        let sender = self.senders.get(&(connection, message))?;
        let waiting = self.by_sender.get_mut(sender)?.waiting.as_mut()?;
        let is_meant = waiting.connection == connection && waiting.leg.journey.seq == seq;
        is_meant.then_some(&mut waiting.leg)
    }

    /// Drops heads whose rest has not come in time; returns how many.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let heads = self.by_sender.len();
        self.by_sender
            .retain(|_, partial| partial.packet.age_ns(now_ns) < WAIT_NS);
        self.senders
            .retain(|_, sender| self.by_sender.contains_key(sender));
        (heads - self.by_sender.len()) as u64
    }

    fn remove(&mut self, sender: u64) -> Option<PartialHead> {
        let partial = self.by_sender.remove(&sender)?;
        if let Some(WaitingLeg { connection, leg }) = &partial.waiting {
            let key = (*connection, leg.journey.message);
            // A new connection may have the identity of an old one, and another sender.
            if self.senders.get(&key) == Some(&sender) {
                self.senders.remove(&key);
            }
        }
        Some(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::JourneyBuilder;
    use crate::http::packet_heads::ParsedHead;
    use crate::http::{head::RequestHead, test_head::request_head, trace_context::Extraction};

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Feeds `head` in pieces that end at `cuts`; returns the trace context, if the head completes.
    fn joined(head: &[u8], cuts: &[usize]) -> Option<Extraction> {
        let mut partials = PartialHeads::default();
        let (first, mut from) = (cuts[0], cuts[0]);
        partials.start(&request_head(&head[..first]), 0);
        for end in cuts[1..].iter().copied().chain([head.len()]) {
            let piece = Bytes::copy_from_slice(&head[from..end]);
            let seq = 100 + u32::try_from(from).unwrap();
            if let Appended::Complete(completed) = partials.append(7, seq, &piece) {
                assert_eq!(completed.head.offset, 0);
                let ParsedHead::Request(head) = completed.head.head else {
                    unreachable!("a request");
                };
                return Some(head.trace);
            }
            from = end;
        }
        None
    }

    fn head(padding: usize) -> Vec<u8> {
        let cookie = "c".repeat(padding);
        format!("GET /a HTTP/1.1\r\nCookie: {cookie}\r\ntraceparent: {TRACE}\r\n\r\n").into_bytes()
    }

    #[test]
    fn a_head_in_two_pieces_cut_anywhere() {
        let head = head(10);
        let whole = RequestHead::parse(&head).unwrap().trace;
        for cut in 1..head.len() {
            assert_eq!(joined(&head, &[cut]), Some(whole), "cut at {cut}");
        }
    }

    #[test]
    fn a_long_head_in_many_pieces() {
        let head = head(9_000);
        let cuts: Vec<usize> = (1..head.len()).step_by(1_448).collect();
        assert!(matches!(joined(&head, &cuts), Some(Extraction::Context(_))));
    }

    #[test]
    fn a_head_beyond_the_limit_is_cut() {
        let head = head(40_000);
        let cuts: Vec<usize> = (1..head.len()).step_by(1_448).collect();
        assert_eq!(joined(&head, &cuts), Some(Extraction::None));
    }

    #[test]
    fn a_gap_leaves_the_head_cut() {
        let mut partials = PartialHeads::default();
        partials.start(&request_head(b"GET /a HTTP/1.1\r\nHost"), 0);
        let rest = Bytes::from_static(b": a\r\n\r\n");
        let appended = partials.append(7, 5_000, &rest);
        assert!(matches!(appended, Appended::Dropped));
        let appended = partials.append(7, 121, &rest);
        assert!(matches!(appended, Appended::Incomplete));
    }

    #[test]
    fn a_waiting_message_is_found_until_its_head_is_complete() {
        let (sender, message) = (JourneyBuilder::CLIENT_COOKIE, Message::Request);
        let connection = ConnectionId::of_client(sender);
        let mut partials = PartialHeads::default();
        partials.start(&request_head(b"G"), 0);
        let journey = JourneyBuilder::new(message).start_ns(0).seq(100).build();
        let leg = Leg::new(journey);
        assert!(partials.wait(WaitingLeg { connection, leg }));
        assert!(partials.waiting(connection, message, 100).is_some());
        assert!(partials.waiting(connection, message, 101).is_none());
        let response = partials.waiting(connection, Message::Response, 100);
        assert!(response.is_none());
        let rest = Bytes::from_static(b"ET /a HTTP/1.1\r\n\r\n");
        let appended = partials.append(sender, 101, &rest);
        assert!(matches!(appended, Appended::Complete(_)));
        assert!(partials.waiting(connection, message, 100).is_none());
        assert!(partials.senders.is_empty());
    }

    #[test]
    fn incomplete_heads_are_bounded() {
        let mut partials = PartialHeads::default();
        for cookie in 0..2 * MAX_PARTIAL as u64 {
            let head = Head {
                sender_cookie: cookie,
                ..request_head(b"GET /a HTTP/1.1\r\n")
            };
            partials.start(&head, 0);
        }
        assert_eq!(partials.by_sender.len(), MAX_PARTIAL);
        assert_eq!(partials.expire(WAIT_NS), MAX_PARTIAL as u64);
    }
}
