//! Heads whose packet is still on its way.
//!
//! A packet's heads come before its journey, which ends later. In: heads, as they are parsed. Out: the
//! same, when the journey of their packet has ended. Knows no connection.

use std::collections::HashMap;

use crate::flow::PacketId;

use super::packet::Placed;

/// Heads that wait; of a packet with which there would be more, all are refused. Each takes below 2 KB with
/// its path, and most below 300 bytes.
pub(super) const MAX_HEADS: usize = 16_384;
/// A head whose journey has not ended after this long never will.
pub(super) const WAIT_NS: u64 = 10_000_000_000;

/// The heads of each packet.
#[derive(Default)]
pub(super) struct Waiting {
    by_packet: HashMap<PacketId, Vec<Placed>>,
    heads: usize,
}

impl Waiting {
    /// Keeps the heads of a packet; whether there was room.
    pub(super) fn insert(&mut self, packet: PacketId, heads: Vec<Placed>) -> bool {
        if self.heads + heads.len() > MAX_HEADS {
            return false;
        }
        self.heads += heads.len();
        let before = self.by_packet.insert(packet, heads);
        self.heads -= before.map_or(0, |heads| heads.len());
        true
    }

    /// Hands over the heads of a packet.
    pub(super) fn remove(&mut self, packet: PacketId) -> Option<Vec<Placed>> {
        let heads = self.by_packet.remove(&packet)?;
        self.heads -= heads.len();
        Some(heads)
    }

    /// The last head of a packet.
    pub(super) fn last_mut(&mut self, packet: PacketId) -> Option<&mut Placed> {
        self.by_packet.get_mut(&packet)?.last_mut()
    }

    /// Lets go of heads that wait in vain; of how many packets.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let packets = self.by_packet.len();
        let heads = &mut self.heads;
        self.by_packet.retain(|packet, placed| {
            let waits = packet.age_ns(now_ns) < WAIT_NS;
            if !waits {
                *heads -= placed.len();
            }
            waits
        });
        (packets - self.by_packet.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tracer_common::message::Message;

    use super::*;
    use crate::{
        decode::{Head, Tuple},
        http::packet,
    };

    fn packet_id(seq: u32, start_ns: u64) -> PacketId {
        let address = "10.244.0.2:40000".parse().unwrap();
        PacketId::from(&Head {
            message: Message::Request,
            start_ns,
            sender_cookie: 7,
            seq,
            ack: 0,
            payload_bytes: 0,
            sent: Tuple {
                source: address,
                destination: address,
            },
            continues: false,
            bytes: Bytes::new(),
        })
    }

    fn heads(count: usize) -> Vec<Placed> {
        let text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count);
        packet::heads(Message::Request, text.as_bytes()).unwrap()
    }

    #[test]
    fn heads_are_counted_not_packets() {
        let mut waiting = Waiting::default();
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
    fn those_that_wait_in_vain_make_room() {
        let mut waiting = Waiting::default();
        assert!(waiting.insert(packet_id(1, 0), heads(3)));
        // The same packet once more, and another that is younger.
        assert!(waiting.insert(packet_id(1, 0), heads(2)));
        assert!(waiting.insert(packet_id(2, 5), heads(1)));
        assert_eq!(waiting.heads, 3);
        assert_eq!(waiting.expire(WAIT_NS), 1);
        assert_eq!(waiting.heads, 1);
        assert!(waiting.last_mut(packet_id(2, 5)).is_some());
    }
}
