//! The network between the two sockets, and the two applications.
//!
//! In: the streams of a conversation, and a schedule. Out: what the kernel programs record. A packet
//! acknowledges what its sender has received when it sends. Packets are lost, overtaken and sent
//! again where the setting has it.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*, sample::select};
use tracer_common::journey::End;

use super::{
    ending::ConnectionEnd,
    packet::{Packet, Ring, Seen},
    programs::Kernel,
    stream::{Cutting, Stream, cutting},
    wire::Wire,
};
use crate::flow::Side;

const STEP_NS: u64 = 1_000;

/// How a conversation is played.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) to_server: Cutting,
    pub(crate) to_client: Cutting,
    /// What happens next, of everything that can; used in turns.
    schedule: Vec<u8>,
    initial_seqs: [u32; 2],
    pub(crate) seen: Seen,
    /// The kernel programs follow every request, not only sampled ones.
    pub(crate) follows_all: bool,
    /// The steps before the kernel programs are attached. With `None` they see the SYN.
    pub(crate) attached_after: Option<usize>,
    /// The steps before the connection ends.
    pub(crate) ends_after: Option<usize>,
    pub(crate) end: ConnectionEnd,
    /// Whether each record is lost; used in turns.
    pub(crate) losses: Vec<bool>,
    pub(crate) troubles: Vec<Trouble>,
}

/// Something that TCP has to cope with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    /// The steps since the one before.
    after: u8,
    from: Side,
    what: Accident,
}

#[derive(Clone, Copy, Debug)]
enum Accident {
    /// The next packet is lost.
    Lost,
    /// The next packet arrives behind the one after it.
    Overtaken,
    /// A packet is sent again, though it may have arrived.
    Again(u8),
}

/// A conversation that was played.
pub(crate) struct Played {
    pub(crate) kernel: Kernel,
    pub(crate) to_server: Wire,
    pub(crate) to_client: Wire,
    pub(crate) end_ns: u64,
}

/// What can happen in one direction.
#[derive(Clone, Copy)]
enum Step {
    Send,
    Arrive,
    Read,
    /// Nothing is under way, and something is missing.
    SendMissing,
}

/// A conversation while it is played.
struct Network<'a> {
    setting: &'a Setting,
    played: Played,
    is_attached: bool,
}

/// Plays a conversation.
pub(crate) fn play(setting: &Setting, to_server: Stream, to_client: Stream) -> Played {
    let ring = Ring::new(setting.seen, &setting.losses);
    let mut kernel = Kernel::new(ring, setting.follows_all);
    let [client_seq, server_seq] = setting.initial_seqs;
    let end_ns = 1_000_000;
    if setting.attached_after.is_none() {
        kernel.syn(client_seq, end_ns);
    }
    let mut network = Network {
        setting,
        played: Played {
            kernel,
            to_server: Wire::new(Side::Client, to_server, &setting.to_server, client_seq),
            to_client: Wire::new(Side::Server, to_client, &setting.to_client, server_seq),
            end_ns,
        },
        is_attached: false,
    };
    let mut troubles = VecDeque::from(setting.troubles.clone());
    let mut due = 0;
    let steps = setting.ends_after.unwrap_or(usize::MAX);
    for (step, choice) in setting.schedule.iter().cycle().enumerate().take(steps) {
        network.advance();
        network.is_attached = setting.attached_after.is_none_or(|steps| step >= steps);
        if let Some(trouble) = troubles.front().copied()
            && step >= due + usize::from(trouble.after)
        {
            troubles.pop_front();
            due = step;
            network.accident(trouble);
            continue;
        }
        let possible = network.possible();
        let Some(chosen) = usize::from(*choice).checked_rem(possible.len()) else {
            break;
        };
        let (from, what) = possible[chosen];
        network.step(from, what, usize::from(*choice) / possible.len());
    }
    if setting.end == ConnectionEnd::ServerFin {
        network.finish(Side::Server);
    }
    network.played
}

impl Network<'_> {
    fn advance(&mut self) {
        self.played.end_ns += STEP_NS;
        self.played.kernel.set_time(self.played.end_ns);
    }

    fn possible(&self) -> Vec<(Side, Step)> {
        let Played {
            to_server,
            to_client,
            ..
        } = &self.played;
        let steps = steps_of(to_server, to_client);
        steps.chain(steps_of(to_client, to_server)).collect()
    }

    /// The direction of what a side sends, and the other one.
    fn wires(&mut self, from: Side) -> (&mut Wire, &mut Wire) {
        let Played {
            to_server,
            to_client,
            ..
        } = &mut self.played;
        match from {
            Side::Client => (to_server, to_client),
            Side::Server => (to_client, to_server),
        }
    }

    fn step(&mut self, from: Side, what: Step, choice: usize) {
        let now_ns = self.played.end_ns;
        let (wire, other) = self.wires(from);
        match what {
            Step::Send => {
                let packet = wire.send(other, now_ns);
                self.depart(packet);
            }
            Step::SendMissing => {
                let packet = wire.send_missing(other, choice, now_ns);
                self.depart(packet);
            }
            Step::Arrive => {
                if let Some(packet) = wire.in_flight.pop_front() {
                    self.arrive(packet);
                }
            }
            Step::Read => {
                wire.read = wire.arrived;
                let (read, seq) = (wire.read, wire.seq(wire.read));
                wire.reads.push((read, now_ns));
                if self.setting.seen.has(from.other()) {
                    self.played.kernel.read(from.other(), seq, now_ns);
                }
            }
        }
    }

    fn accident(&mut self, trouble: Trouble) {
        let now_ns = self.played.end_ns;
        let (wire, other) = self.wires(trouble.from);
        match trouble.what {
            Accident::Lost => {
                if let Some(packet) = wire.in_flight.pop_front()
                    && self.setting.seen == Seen::Both
                {
                    self.played.kernel.end(&packet, End::Dropped);
                }
            }
            Accident::Overtaken => {
                if wire.in_flight.len() > 1 {
                    wire.in_flight.swap(0, 1);
                }
            }
            Accident::Again(which) => {
                if let Some(packet) = wire.send_again(usize::from(which), other, now_ns) {
                    self.depart(packet);
                }
            }
        }
    }

    fn depart(&mut self, mut packet: Packet) {
        if self.setting.seen.has(packet.from) {
            self.see(&mut packet);
            if !self.setting.seen.has(packet.from.other()) {
                self.played.kernel.end(&packet, End::Left);
            }
        }
        self.wires(packet.from).0.in_flight.push_back(packet);
    }

    fn arrive(&mut self, mut packet: Packet) {
        if !self.setting.seen.has(packet.from) {
            packet.start_ns = self.played.end_ns;
            self.see(&mut packet);
        }
        if self.setting.seen.has(packet.from.other()) {
            self.played.kernel.end(&packet, End::Socket);
        }
        self.wires(packet.from).0.arrive(&packet);
    }

    fn see(&mut self, packet: &mut Packet) {
        if self.is_attached {
            self.wires(packet.from).0.see(packet);
            self.played.kernel.see(packet);
        }
    }

    /// A side sends a FIN when everything that it has sent has arrived.
    fn finish(&mut self, from: Side) {
        loop {
            self.advance();
            let (wire, _) = self.wires(from);
            let step = if !wire.in_flight.is_empty() {
                Step::Arrive
            } else if !wire.has_arrived() {
                Step::SendMissing
            } else {
                break;
            };
            self.step(from, step, 0);
        }
        let now_ns = self.played.end_ns;
        let (wire, other) = self.wires(from);
        let packet = wire.finish(other, now_ns);
        self.depart(packet);
        self.step(from, Step::Arrive, 0);
    }
}

/// What can happen next in one direction.
fn steps_of(wire: &Wire, other_wire: &Wire) -> impl Iterator<Item = (Side, Step)> {
    let is_quiet = wire.in_flight.is_empty();
    let can_send = !wire.next_packet(other_wire.arrived).is_empty();
    let steps = [
        can_send.then_some(Step::Send),
        (!is_quiet).then_some(Step::Arrive),
        (wire.read < wire.arrived).then_some(Step::Read),
        (is_quiet && !wire.has_arrived()).then_some(Step::SendMissing),
    ];
    let from = wire.from;
    steps.into_iter().flatten().map(move |step| (from, step))
}

/// A connection of which the kernel programs see everything, and lose nothing.
pub(crate) fn setting() -> impl Strategy<Value = Setting> {
    let initial_seq = || select(vec![100, 70_000, u32::MAX - 300]);
    let seen = select(vec![Seen::Both, Seen::Both, Seen::Client, Seen::Server]);
    let end = select(vec![
        ConnectionEnd::Unseen,
        ConnectionEnd::Client,
        ConnectionEnd::ServerFin,
        ConnectionEnd::Server,
    ]);
    (
        [cutting(), cutting()],
        vec(any::<u8>(), 1..60),
        [initial_seq(), initial_seq()],
        (seen, end),
        any::<bool>(),
    )
        .prop_map(
            |(cuttings, schedule, initial_seqs, (seen, end), follows_all)| {
                let [to_server, to_client] = cuttings;
                Setting {
                    to_server,
                    to_client,
                    schedule,
                    initial_seqs,
                    seen,
                    follows_all,
                    attached_after: None,
                    ends_after: None,
                    end,
                    losses: Vec::new(),
                    troubles: Vec::new(),
                }
            },
        )
}

/// Packets that are lost, overtaken and sent again.
pub(crate) fn troubles() -> impl Strategy<Value = Vec<Trouble>> {
    let from = select(vec![Side::Client, Side::Server]);
    let what = prop_oneof![
        Just(Accident::Lost),
        Just(Accident::Overtaken),
        any::<u8>().prop_map(Accident::Again),
    ];
    let trouble =
        (0..30_u8, from, what).prop_map(|(after, from, what)| Trouble { after, from, what });
    vec(trouble, 1..8)
}
