//! Messages in the SYN of TCP Fast Open (RFC 7413).
//!
//! In: journeys of SYNs that carry a message, and of SYN-ACKs. Out: the journey of that message, as
//! if it had come in a packet behind the SYN.
//!
//! The acknowledgment number of the SYN-ACK shows whether the server has taken what the SYN
//! carried. If it has not, TCP sends it again after the handshake. Where the server is on this node,
//! the kernel programs know it before the SYN-ACK arrives, and the journey of the SYN shows it.

use tracer_common::journey::End;

use crate::decode::Journey;

use super::before;

/// The journey of the message in a SYN.
pub(super) fn carried(syn: &Journey) -> Option<Journey> {
    let message = syn.in_syn?;
    Some(Journey {
        message,
        in_syn: None,
        seq: syn.seq.wrapping_add(1),
        ..syn.clone()
    })
}

/// Whether a socket of this node is known to have taken the message.
pub(super) fn is_taken(carried: &Journey) -> bool {
    carried.end == End::Socket && carried.ack != 0
}

/// The journey of the message when the SYN-ACK has come. Where the server's listener has received
/// the SYN and refused the message, no socket has received the message.
pub(super) fn answered(carried: Journey, syn_ack: &Journey) -> Journey {
    let ack = syn_ack.seq.wrapping_add(1);
    let end_seq = carried.seq.wrapping_add(carried.payload_bytes);
    if carried.end == End::Socket && before(syn_ack.ack, end_seq) {
        return Journey {
            ack,
            end: End::Expired,
            receiver_cookie: 0,
            receiver_cgroup: 0,
            received: None,
            ..carried
        };
    }
    Journey { ack, ..carried }
}

#[cfg(test)]
mod tests {
    use tracer_common::message::Message;

    use super::*;
    use crate::decode::JourneyBuilder;

    const SYN_SEQ: u32 = u32::MAX;
    const PAYLOAD_BYTES: u32 = 100;

    fn syn(end: End) -> Journey {
        JourneyBuilder::new(Message::Syn)
            .in_syn(Message::Request)
            .seq(SYN_SEQ)
            .payload_bytes(PAYLOAD_BYTES)
            .end(end)
            .build()
    }

    /// The message of a SYN with this end after a SYN-ACK with this acknowledgment number.
    fn message(end: End, ack: u32) -> Journey {
        let syn_ack = JourneyBuilder::new(Message::SynAck).seq(500).ack(ack);
        answered(carried(&syn(end)).unwrap(), &syn_ack.build())
    }

    #[test]
    fn the_message_begins_behind_the_syn() {
        let message = message(End::Left, PAYLOAD_BYTES);
        assert_eq!(message.message, Message::Request);
        assert_eq!((message.seq, message.ack), (0, 501));
        assert_eq!(message.end, End::Left);
        let plain = JourneyBuilder::new(Message::Syn).build();
        assert_eq!(carried(&plain), None);
    }

    #[test]
    fn the_syn_ack_shows_whether_the_message_was_taken() {
        assert_eq!(message(End::Socket, PAYLOAD_BYTES).end, End::Socket);
        let refused = message(End::Socket, 0);
        assert_eq!((refused.end, refused.receiver_cookie), (End::Expired, 0));
        // It was lost, and TCP has sent a SYN without it.
        assert_eq!(message(End::Dropped, 0).end, End::Dropped);
    }
}
