//! The steps of both ends of a connection, and the check of its exchanges.

use std::{collections::VecDeque, time::Duration};

use hopspan_e2e::{Parent, Step, Traces, assert_legs, frames, pause, send, take};
use proptest::sample::Index;

use super::{
    plan::{Plan, Reset},
    writer::Part,
};

/// Long enough that the next write is a packet of its own, and that the last write has been read.
const APART: Duration = Duration::from_millis(2);

/// A connection, as it is played.
pub(super) struct Connection {
    pub(super) server: Vec<Step>,
    pub(super) client: Vec<Step>,
    streams: Vec<Truth>,
}

/// What the exchange of a stream must have.
struct Truth {
    parent: Parent,
    path: String,
    method: &'static str,
    /// None where the stream is reset before it has one.
    status: &'static str,
    reset: Option<Reset>,
    /// Its request alone waited for the handshake.
    connects: bool,
}

impl Connection {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut script = Script::new(plan);
        let mut truths: Vec<Truth> = plan
            .streams
            .iter()
            .enumerate()
            .map(|(index, stream)| Truth {
                parent: Parent::new(),
                path: format!("/stream/{index}"),
                method: stream.method,
                status: "",
                reset: stream.reset,
                connects: false,
            })
            .collect();
        let mut left: VecDeque<(usize, VecDeque<Part>)> = (0..)
            .zip(&plan.streams)
            .zip(&truths)
            .map(|((index, stream), truth)| {
                let id = 2 * u32::try_from(index).unwrap() + 1;
                (index, stream.parts(id, &truth.path, &truth.parent))
            })
            .collect();
        let mut noise = plan.noise.iter().cycle();
        let mut order = plan.order.iter().cycle();
        let (mut opened, mut is_answered) = (0, false);
        while !left.is_empty() {
            // Streams are opened in their order.
            let open = left.iter().filter(|(index, _)| *index <= opened).count();
            let at = order.next().unwrap().index(open);
            let (index, parts) = &mut left[at];
            let (index, part) = (*index, parts.pop_front().unwrap());
            opened = opened.max(index + 1);
            if parts.is_empty() {
                left.remove(at);
            }
            if part.is_response {
                truths[index].status = plan.streams[index].status;
                truths[0].connects |= !is_answered && opened == 1;
                is_answered = true;
            }
            script.add(part.by_client, &part.bytes);
            if let Some(noise) = noise.next().unwrap() {
                script.add(part.by_client, &noise.frame());
            }
        }
        script.change_sides();
        Self {
            server: script.server,
            client: script.client,
            streams: truths,
        }
    }

    /// Checks the exchange of each stream. How many there are.
    pub(super) fn check(&self, traces: &Traces) -> usize {
        for truth in &self.streams {
            truth.check(traces);
        }
        self.streams.len()
    }
}

impl Truth {
    fn check(&self, traces: &Traces) {
        let exchange = &self.parent.exchange(traces);
        let (error, closed_by) = match self.reset {
            Some(reset) if reset.by_client => (reset.error.1, "client"),
            Some(reset) => (reset.error.1, "server"),
            None => ("", ""),
        };
        exchange.assert_attributes(&[
            ("http.request.method", self.method),
            ("url.path", &self.path),
            ("http.response.status_code", self.status),
            ("network.protocol.version", "2"),
            ("error.type", error),
            ("hopspan.closed_by", closed_by),
        ]);
        if self.reset.is_none() {
            exchange.assert_attributes(&[("hopspan.incomplete", "")]);
            assert_legs(self.parent.trace(traces), exchange, self.connects);
        }
    }
}

/// Both ends while they are written. One of them sends, until the other one has something to send;
/// that one first receives everything.
struct Script<'p> {
    plan: &'p Plan,
    cuts: std::iter::Cycle<std::slice::Iter<'p, Vec<Index>>>,
    server: Vec<Step>,
    client: Vec<Step>,
    is_client: bool,
    /// What is sent next.
    bytes: Vec<u8>,
}

impl<'p> Script<'p> {
    fn new(plan: &'p Plan) -> Self {
        let (preface, settings) = (frames::preface(), frames::settings());
        Self {
            plan,
            cuts: plan.cuts.iter().cycle(),
            server: vec![take(preface.len() as u64), send(&settings)],
            client: vec![send(&preface), take(settings.len() as u64)],
            is_client: true,
            bytes: Vec::new(),
        }
    }

    fn add(&mut self, by_client: bool, bytes: &[u8]) {
        if by_client != self.is_client {
            self.change_sides();
        }
        self.bytes.extend(bytes);
    }

    /// Writes what one side sends, and what the other one takes.
    fn change_sides(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let (from, to) = match self.is_client {
            true => (&mut self.client, &mut self.server),
            false => (&mut self.server, &mut self.client),
        };
        self.is_client = !self.is_client;
        if bytes.is_empty() {
            return;
        }
        let cuts = self.cuts.next().unwrap().iter();
        let mut ends: Vec<usize> = cuts.map(|cut| cut.index(bytes.len())).collect();
        ends.extend([0, bytes.len()]);
        ends.sort_unstable();
        ends.dedup();
        for range in ends.windows(2) {
            from.push(send(&bytes[range[0]..range[1]]));
            from.extend(self.plan.is_slow.then(|| pause(APART)));
        }
        to.push(take(bytes.len() as u64));
    }
}
