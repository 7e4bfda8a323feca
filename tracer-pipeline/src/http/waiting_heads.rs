//! Stores parsed heads until the journey of their packet ends.
//!
//! The record of a head comes before the record of its packet's journey. In: heads. Out: the same
//! heads, when the journey of their packet has ended. Has no connections.

use std::collections::HashMap;

use crate::flow::PacketId;

use super::packet_heads::LocatedHead;

/// Most heads stored; a packet whose heads would exceed the limit is refused as a whole. A packet
/// whose head is still missing counts as one. A head with its path takes less than 2 KB, most take
/// less than 300 bytes.
pub(crate) const MAX_HEADS: usize = 16_384;
/// After this time the journey of a head's packet is considered lost.
pub(super) const WAIT_NS: u64 = 10_000_000_000;

/// Heads by packet.
#[derive(Default)]
pub(super) struct WaitingHeads {
    by_packet: HashMap<PacketId, Vec<LocatedHead>>,
    heads: usize,
}

impl WaitingHeads {
    /// Stores the heads of a packet; returns whether there was room.
    pub(super) fn insert(&mut self, packet: PacketId, heads: Vec<LocatedHead>) -> bool {
        let added = counted(&heads);
        if self.heads + added > MAX_HEADS {
            return false;
        }
        self.heads += added;
        let before = self.by_packet.insert(packet, heads);
        self.heads -= before.map_or(0, |heads| counted(&heads));
        true
    }

    /// Removes and returns the heads of a packet.
    pub(super) fn remove(&mut self, packet: PacketId) -> Option<Vec<LocatedHead>> {
        let heads = self.by_packet.remove(&packet)?;
        self.heads -= counted(&heads);
        Some(heads)
    }

    /// Replaces the last head of a packet, which was cut or missing. Returns the head if the packet
    /// has none here any more.
    pub(super) fn replace_last(
        &mut self,
        packet: PacketId,
        head: LocatedHead,
    ) -> Option<LocatedHead> {
        let Some(heads) = self.by_packet.get_mut(&packet) else {
            return Some(head);
        };
        // The number of heads stays: a missing one was counted.
        heads.pop();
        heads.push(head);
        None
    }

    /// Drops heads whose journey has not come in time; returns the number of their packets.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let packets = self.by_packet.len();
        let heads = &mut self.heads;
        self.by_packet.retain(|packet, located| {
            let waits = packet.age_ns(now_ns) < WAIT_NS;
            if !waits {
                *heads -= counted(located);
            }
            waits
        });
        (packets - self.by_packet.len()) as u64
    }
}

/// The share of a packet in [`MAX_HEADS`].
fn counted(heads: &[LocatedHead]) -> usize {
    heads.len().max(1)
}

#[cfg(test)]
mod tests {
    use tracer_common::message::Message;

    use super::*;
    use crate::{
        decode::Head,
        http::{packet_heads, test_head::request_head},
    };

    fn packet_id(seq: u32, start_ns: u64) -> PacketId {
        PacketId::from(&Head {
            start_ns,
            seq,
            ..request_head(b"")
        })
    }

    fn heads(count: usize) -> Vec<LocatedHead> {
        let text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count);
        packet_heads::heads(Message::Request, 0, text.as_bytes()).unwrap()
    }

    #[test]
    fn the_limit_counts_heads_not_packets() {
        let mut waiting = WaitingHeads::default();
        let mut kept = 0;
        for seq in 0..100 {
            kept += usize::from(waiting.insert(packet_id(seq, 0), heads(256)));
        }
        assert_eq!(kept * 256, MAX_HEADS);
        assert!(!waiting.insert(packet_id(200, 0), heads(1)));
        assert_eq!(
            waiting.remove(packet_id(0, 0)).map(|heads| heads.len()),
            Some(256)
        );
        assert!(waiting.insert(packet_id(200, 0), heads(1)));
        assert!(waiting.remove(packet_id(0, 0)).is_none());
    }

    #[test]
    fn a_packet_whose_head_is_still_missing_counts_as_one() {
        let mut waiting = WaitingHeads::default();
        for seq in 0..MAX_HEADS as u32 {
            assert!(waiting.insert(packet_id(seq, u64::from(seq % 2)), Vec::new()));
        }
        assert!(!waiting.insert(packet_id(u32::MAX, 0), Vec::new()));
        let head = heads(1).remove(0);
        assert!(waiting.replace_last(packet_id(1, 1), head).is_none());
        assert_eq!(waiting.heads, MAX_HEADS);
        assert_eq!(waiting.expire(WAIT_NS), MAX_HEADS as u64 / 2);
        assert!(waiting.remove(packet_id(1, 1)).is_some());
        assert!(waiting.remove(packet_id(3, 1)).is_some());
        assert_eq!(waiting.heads, MAX_HEADS / 2 - 2);
    }

    #[test]
    fn expired_heads_make_room() {
        let mut waiting = WaitingHeads::default();
        assert!(waiting.insert(packet_id(1, 0), heads(3)));
        // The same packet again, and a younger one.
        assert!(waiting.insert(packet_id(1, 0), heads(2)));
        assert!(waiting.insert(packet_id(2, 5), heads(1)));
        assert_eq!(waiting.heads, 3);
        assert_eq!(waiting.expire(WAIT_NS), 1);
        assert_eq!(waiting.heads, 1);
        let head = heads(1).remove(0);
        assert!(waiting.replace_last(packet_id(2, 5), head).is_none());
        assert_eq!(waiting.heads, 1);
    }
}
