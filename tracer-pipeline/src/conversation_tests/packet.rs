//! Packets, and the records that the kernel programs send about them.

use tracer_common::{hook::Hook, journey::End, message::Message, remote::synthetic_cookie};

use crate::{
    decode::{Conntrack, Journey, JourneyBuilder, Record, Tuple},
    flow::Side,
};

/// A packet with payload, or with a FIN.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: Side,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) is_fin: bool,
    /// When it left its socket, or arrived from another node.
    pub(crate) start_ns: u64,
    pub(crate) journey: Option<Followed>,
}

/// A message that is followed, with the flags of its journey.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Followed {
    pub(crate) message: Message,
    pub(crate) head_lost: bool,
    pub(crate) in_sequence: bool,
    pub(crate) single: bool,
    pub(crate) no_body: bool,
    pub(crate) behind_left_out: bool,
    pub(crate) ends_later: bool,
    pub(crate) is_interim: bool,
    pub(crate) pipelines: bool,
}

/// The sockets that are on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Both,
    Client,
    Server,
}

/// The ring buffer.
pub(crate) struct Ring {
    seen: Seen,
    /// For the next records: whether each is lost. Used in turns.
    losses: Vec<bool>,
    sent: usize,
    pub(crate) now_ns: u64,
    pub(crate) last_loss_ns: u64,
    pub(crate) records: Vec<Record>,
}

impl Packet {
    pub(crate) fn end_seq(&self) -> u32 {
        self.seq.wrapping_add(bytes(&self.payload))
    }

    /// Its addresses.
    pub(super) fn sent(&self) -> Tuple {
        let tuple = JourneyBuilder::client_to_server();
        match self.from {
            Side::Client => tuple,
            Side::Server => tuple.reversed(),
        }
    }
}

impl Followed {
    pub(crate) fn new(message: Message) -> Self {
        Self {
            message,
            head_lost: false,
            in_sequence: false,
            single: false,
            no_body: false,
            behind_left_out: false,
            ends_later: false,
            is_interim: false,
            pipelines: false,
        }
    }
}

impl Seen {
    pub(crate) fn has(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Client => side == Side::Client,
            Self::Server => side == Side::Server,
        }
    }

    pub(crate) fn cookie(self, side: Side) -> u64 {
        let cookie = match side {
            Side::Client => JourneyBuilder::CLIENT_COOKIE,
            Side::Server => JourneyBuilder::SERVER_COOKIE,
        };
        if self.has(side) {
            cookie
        } else {
            synthetic_cookie(cookie << 32)
        }
    }
}

impl Ring {
    pub(crate) fn new(seen: Seen, losses: &[bool]) -> Self {
        Self {
            seen,
            losses: losses.to_vec(),
            sent: 0,
            now_ns: 0,
            last_loss_ns: 0,
            records: Vec::new(),
        }
    }

    pub(crate) fn cookie(&self, side: Side) -> u64 {
        self.seen.cookie(side)
    }

    pub(crate) fn is_remote(&self, side: Side) -> bool {
        !self.seen.has(side)
    }

    /// Sends a record; false if it is lost.
    pub(crate) fn send(&mut self, record: Record) -> bool {
        let turn = self.sent.checked_rem(self.losses.len());
        self.sent += 1;
        let is_lost = turn.is_some_and(|turn| self.losses[turn]);
        if is_lost {
            self.last_loss_ns = self.now_ns;
        } else {
            self.records.push(record);
        }
        !is_lost
    }

    /// The journey of a SYN, whose next byte has this sequence number.
    pub(crate) fn syn(&mut self, next_seq: u32, start_ns: u64) {
        let mut packet = Packet {
            from: Side::Client,
            seq: next_seq.wrapping_sub(1),
            ack: 0,
            payload: Vec::new(),
            is_fin: false,
            start_ns,
            journey: None,
        };
        packet.journey = Some(Followed::new(Message::Syn));
        let end = if self.seen.has(Side::Server) {
            End::Socket
        } else {
            End::Left
        };
        self.journey(&packet, end);
    }

    /// The journey of a packet that has one.
    pub(crate) fn journey(&mut self, packet: &Packet, end: End) -> bool {
        let Some(followed) = packet.journey else {
            return false;
        };
        let journey = self.build(packet, followed, end);
        self.send(Record::Journey(journey))
    }

    fn build(&self, packet: &Packet, followed: Followed, end: End) -> Journey {
        let builder = JourneyBuilder::new(followed.message)
            .sockets(self.cookie(packet.from), self.cookie(packet.from.other()))
            .sent(packet.sent())
            .start_ns(packet.start_ns)
            .seq(packet.seq)
            .ack(packet.ack)
            .payload_bytes(bytes(&packet.payload))
            .stamps_after_ns(&[(10, Hook::CgroupIngress)])
            .conntrack(Conntrack {
                original: JourneyBuilder::client_to_server(),
                reply: JourneyBuilder::client_to_server().reversed(),
            })
            .in_sequence(followed.in_sequence)
            .end(end);
        let mut journey = builder.build();
        journey.head_lost = followed.head_lost;
        journey.behind_left_out = followed.behind_left_out;
        journey.ends_later = followed.ends_later;
        journey.is_interim = followed.is_interim;
        journey.pipelines = followed.pipelines;
        journey
    }
}

pub(crate) fn bytes(slice: &[u8]) -> u32 {
    u32::try_from(slice.len()).unwrap()
}
