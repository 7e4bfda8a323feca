//! The network between the two sockets, and the two applications.
//!
//! In: the streams of a conversation, and a schedule. Out: the records of the kernel programs, and
//! which bytes had a packet in common. Packets of one direction arrive in their order; a packet
//! acknowledges what its sender has received when it sends.

use std::{collections::VecDeque, ops::Range};

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    generator::{Cutting, Stream, cutting},
    model::{Kernel, Packet, other},
};
use crate::flow::Side;

const STEP_NS: u64 = 1_000;

/// How a conversation is played.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) to_server: Cutting,
    pub(super) to_client: Cutting,
    /// What happens next, of everything that can; used in turns.
    schedule: Vec<u8>,
    initial_seqs: [u32; 2],
    /// The kernel programs follow every request, not only sampled ones.
    pub(super) follows_all: bool,
    /// The steps before the kernel programs are attached. With `None` they see the SYN.
    pub(super) attached_after: Option<usize>,
    /// The steps before the connection ends.
    pub(super) ends_after: Option<usize>,
    /// Whether each record is lost; used in turns.
    pub(super) losses: Vec<bool>,
}

/// A conversation that was played.
pub(super) struct Played {
    pub(super) kernel: Kernel,
    pub(super) to_server: Wire,
    pub(super) to_client: Wire,
    pub(super) end_ns: u64,
}

/// One direction.
pub(super) struct Wire {
    from: Side,
    pub(super) stream: Stream,
    initial_seq: u32,
    ends: Vec<usize>,
    /// The packets so far.
    packets: Vec<Range<usize>>,
    in_flight: VecDeque<Packet>,
    pub(super) arrived: usize,
    read: usize,
}

/// What can happen in one direction.
#[derive(Clone, Copy)]
enum Step {
    Send,
    Arrive,
    Read,
}

impl Wire {
    fn new(from: Side, stream: Stream, cutting: &Cutting, initial_seq: u32) -> Self {
        Self {
            from,
            ends: cutting.ends(&stream),
            stream,
            initial_seq,
            packets: Vec::new(),
            in_flight: VecDeque::new(),
            arrived: 0,
            read: 0,
        }
    }

    fn seq(&self, at: usize) -> u32 {
        self.initial_seq.wrapping_add(u32::try_from(at).unwrap())
    }

    /// The sequence number behind what has arrived.
    pub(super) fn arrived_seq(&self) -> u32 {
        self.seq(self.arrived)
    }

    /// The sequence number behind what was sent.
    pub(super) fn sent_seq(&self) -> u32 {
        self.seq(self.packets.last().map_or(0, |packet| packet.end))
    }

    /// The position of a sequence number.
    pub(super) fn offset(&self, seq: u32) -> usize {
        seq.wrapping_sub(self.initial_seq) as usize
    }

    fn send(&mut self, other: &Self, start_ns: u64) -> Packet {
        let range = self.next_packet(other.arrived);
        self.packets.push(range.clone());
        Packet {
            from: self.from,
            seq: self.seq(range.start),
            ack: other.seq(other.arrived),
            payload: self.stream.bytes[range].to_vec(),
            start_ns,
            journey: None,
        }
    }

    /// The bytes of the next packet; none if the sender waits.
    fn next_packet(&self, received: usize) -> Range<usize> {
        let begin = self.packets.last().map_or(0, |packet| packet.end);
        let end = self.ends.iter().find(|end| **end > begin);
        let mut gates = self.stream.gates.iter();
        let closed = gates.find(|gate| gate.at >= begin && gate.received > received);
        let end = end.map_or(begin, |end| closed.map_or(*end, |gate| gate.at.min(*end)));
        begin..end
    }

    /// Whether every head that has begun is in one packet.
    pub(super) fn has_whole_heads(&self) -> bool {
        self.stream.heads.iter().all(|head| {
            let mut packets = self.packets.iter();
            let first = packets.find(|packet| packet.contains(&head.start));
            first.is_none_or(|packet| packet.end >= head.end)
        })
    }
}

/// Plays a conversation.
pub(super) fn play(setting: &Setting, to_server: Stream, to_client: Stream) -> Played {
    let [client_seq, server_seq] = setting.initial_seqs;
    let mut to_server = Wire::new(Side::Client, to_server, &setting.to_server, client_seq);
    let mut to_client = Wire::new(Side::Server, to_client, &setting.to_client, server_seq);
    let mut kernel = Kernel::default();
    kernel.follows_all = setting.follows_all;
    kernel.losses.extend(&setting.losses);
    let mut now_ns = 1_000_000;
    if setting.attached_after.is_none() {
        kernel.syn(client_seq, now_ns);
    }
    let steps = setting.ends_after.unwrap_or(usize::MAX);
    for (step, choice) in setting.schedule.iter().cycle().enumerate().take(steps) {
        now_ns += STEP_NS;
        let possible: Vec<(Side, Step)> = steps_of(&to_server, &to_client)
            .chain(steps_of(&to_client, &to_server))
            .collect();
        let chosen = usize::from(*choice).checked_rem(possible.len());
        let Some((from, what)) = chosen.map(|chosen| possible[chosen]) else {
            break;
        };
        let (wire, other_wire) = match from {
            Side::Client => (&mut to_server, &to_client),
            Side::Server => (&mut to_client, &to_server),
        };
        match what {
            Step::Send => {
                let mut packet = wire.send(other_wire, now_ns);
                if setting.attached_after.is_none_or(|steps| step >= steps) {
                    kernel.send(&mut packet);
                }
                wire.in_flight.push_back(packet);
            }
            Step::Arrive => {
                if let Some(packet) = wire.in_flight.pop_front() {
                    wire.arrived += packet.payload.len();
                    kernel.receive(&packet);
                }
            }
            Step::Read => {
                wire.read = wire.arrived;
                kernel.read(other(from), wire.seq(wire.read), now_ns);
            }
        }
    }
    Played {
        kernel,
        to_server,
        to_client,
        end_ns: now_ns,
    }
}

/// What can happen next in one direction.
fn steps_of(wire: &Wire, other_wire: &Wire) -> impl Iterator<Item = (Side, Step)> {
    let can_send = !wire.next_packet(other_wire.arrived).is_empty();
    let steps = [
        can_send.then_some(Step::Send),
        (!wire.in_flight.is_empty()).then_some(Step::Arrive),
        (wire.read < wire.arrived).then_some(Step::Read),
    ];
    let from = wire.from;
    steps.into_iter().flatten().map(move |step| (from, step))
}

/// A connection of which the kernel programs see everything, and lose nothing.
pub(super) fn setting() -> impl Strategy<Value = Setting> {
    let initial_seq = || select(vec![100, 70_000, u32::MAX - 300]);
    (
        [cutting(), cutting()],
        vec(any::<u8>(), 1..60),
        [initial_seq(), initial_seq()],
        any::<bool>(),
    )
        .prop_map(|(cuttings, schedule, initial_seqs, follows_all)| {
            let [to_server, to_client] = cuttings;
            Setting {
                to_server,
                to_client,
                schedule,
                initial_seqs,
                follows_all,
                attached_after: None,
                ends_after: None,
                losses: Vec::new(),
            }
        })
}
