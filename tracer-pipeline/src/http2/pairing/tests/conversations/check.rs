//! Compares what comes out of a conversation with what really happened.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{
    generator::Milestone,
    plan::{Conversation, Plan},
    truth::{Close, How, REFUSAL, Truth, truths},
};
use crate::{
    conversation_tests::{Played, Seen, Setting, Told, Wire},
    decode::Record,
    flow::Side,
    http::{Exchange, Leg, ResponseEnd, trace_context::Extraction},
};

/// Where the beginning of a direction was not seen, a packet that begins with a body of frames shows
/// nothing by which an observer could tell them from frames of the connection. The next frame of the
/// connection is then read in the wrong place, so that such a mistake ends soon.
const BODIES_MAY_BE_FRAMES: bool = true;

/// How many exchanges came out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// With everything that happened.
    pub(super) complete: usize,
    /// With less.
    pub(super) partial: usize,
    pub(super) missing: usize,
}

/// A conversation that was played.
pub(super) struct Case {
    pub(super) conversation: Conversation,
    pub(super) setting: Setting,
    pub(super) milestones: Vec<Milestone>,
    pub(super) played: Played,
}

impl Case {
    /// Checks what comes out; adds to `outcome`.
    pub(super) fn check(&self, outcome: &mut Outcome) -> TestCaseResult {
        let plans = &self.conversation.plans;
        let is_followed = self.follows(Side::Client) && self.follows(Side::Server);
        if BODIES_MAY_BE_FRAMES && !is_followed && plans.iter().any(Plan::has_frames) {
            return Ok(());
        }
        let truths = truths(plans, &self.milestones, &self.played);
        let told = Told::of(&self.played, &self.setting);
        let mut found: BTreeMap<usize, &Exchange> = BTreeMap::new();
        for exchange in &told.exchanges {
            let offset = self.played.to_server.offset(exchange.request_seq);
            let truth = truths.iter().find(|truth| truth.request == offset);
            let Some(truth) = truth else {
                let asked = &exchange.asked;
                return Err(TestCaseError::fail(format!("never sent: {asked:?}")));
            };
            self.check_exchange(exchange, truth)?;
            let before = found.insert(truth.index, exchange);
            prop_assert!(before.is_none(), "stream {} came out twice", truth.index);
        }
        for truth in &truths {
            match found.get(&truth.index) {
                Some(exchange) if is_complete(exchange, truth) => outcome.complete += 1,
                Some(_) => outcome.partial += 1,
                None => outcome.missing += 1,
            }
            let is_complete = found
                .get(&truth.index)
                .is_some_and(|exchange| is_complete(exchange, truth));
            let must_be = self.is_certain() && self.has_arrived(truth);
            prop_assert!(is_complete || !must_be, "{truth:?} is not told");
        }
        Ok(())
    }

    /// Whether the kernel programs have seen everything, in order.
    fn is_certain(&self) -> bool {
        let setting = &self.setting;
        let is_ordered = setting.seen == Seen::Both || setting.troubles.is_empty();
        let is_whole = setting.losses.is_empty() && setting.attached_after.is_none();
        is_ordered && is_whole && self.follows(Side::Client) && self.follows(Side::Server)
    }

    /// Whether a direction is followed from its first frame on: the preface of the client, or
    /// SETTINGS of the server, is whole in the first packet, and of the server is recognised there.
    fn follows(&self, side: Side) -> bool {
        let wire = self.wire(side);
        let preface_bytes = if side == Side::Client { 24 } else { 0 };
        let cookie = self.setting.seen.cookie(side);
        let mut records = self.played.kernel.records().iter();
        let first = records.find_map(|record| match record {
            Record::Fragment(fragment) if fragment.sender_cookie == cookie => Some(fragment),
            _ => None,
        });
        wire.sent() == 0
            || first.is_some_and(|first| {
                let is_copy = wire.seen_ns(preface_bytes) != Some(first.start_ns);
                wire.offset(first.seq) == preface_bytes && !is_copy
            })
    }

    fn wire(&self, from: Side) -> &Wire {
        match from {
            Side::Client => &self.played.to_server,
            Side::Server => &self.played.to_client,
        }
    }

    /// Whether the packets with the stream's headers have arrived.
    fn has_arrived(&self, truth: &Truth) -> bool {
        let Played {
            to_server,
            to_client,
            ..
        } = &self.played;
        let answer = truth.responded.map(|(begin, _)| begin);
        let answer = truth.trailers.max(answer);
        to_server.arrived > truth.request + 8
            && answer.is_none_or(|begin| to_client.arrived > begin + 8)
    }

    fn check_exchange(&self, exchange: &Exchange, truth: &Truth) -> TestCaseResult {
        let plan = &self.conversation.plans[truth.index];
        check_request(exchange, plan, truth)?;
        self.check_leg(&exchange.request, Side::Client, truth.requested_ns)?;
        if let Some(answered) = exchange.answered {
            let status = answered.status;
            prop_assert!(status.is_none() || status == Some(plan.status(truth.index)));
            let grpc_status = answered.grpc_status;
            let expected = plan.grpc_status(truth.index);
            prop_assert!(grpc_status.is_none() || grpc_status == expected);
        }
        if let (Some(leg), Some((_, responded_ns))) = (&exchange.response, truth.responded)
            && exchange
                .answered
                .is_some_and(|answered| answered.status.is_some())
        {
            self.check_leg(leg, Side::Server, responded_ns)?;
        }
        if let Some((how, at_ns)) = end(exchange) {
            let is_told = |close: &&Close| self.is_so(close, how, at_ns);
            let is_first = truth.close.iter().any(|close| is_told(&close));
            // Only where the records do not show that the stream was over.
            let is_later = truth.later.iter().any(|close| is_told(&close));
            let may_be_later = is_later && !self.is_known_to_end(truth, at_ns);
            prop_assert!(is_first || may_be_later, "not so: {how:?} at {at_ns}");
        }
        if exchange.ending.is_some() {
            prop_assert!(self.setting.is_end_seen());
            prop_assert!(
                !self.is_known_to_end(truth, u64::MAX),
                "no end of the connection"
            );
        }
        Ok(())
    }

    /// Whether a stream ended so at this time. What was not followed at first is seen in a copy, and
    /// a request that lacks its end is refused by a GOAWAY when the loss is known.
    fn is_so(&self, close: &Close, how: How, at_ns: u64) -> bool {
        let is_copy = || self.wire(close.from).is_seen_at(close.last, at_ns);
        let is_other = || how == REFUSAL || is_copy();
        let is_time = close.at_ns == at_ns || !self.is_certain() && is_other();
        close.how == how && is_time
    }

    /// Whether the end of a stream has arrived, and a later record until then shows if the records of
    /// it are lost. After a lost reset of the client its stream may have a response.
    fn is_known_to_end(&self, truth: &Truth, until_ns: u64) -> bool {
        let Some(close) = truth.close.filter(|close| close.from == Side::Server) else {
            return false;
        };
        let cookie = self.setting.seen.cookie(close.from);
        let mut records = self.played.kernel.records().iter();
        let times = close.at_ns + 1..=until_ns;
        let is_later = |record: &Record| {
            matches!(record, Record::Fragment(fragment)
                if fragment.sender_cookie == cookie && times.contains(&fragment.start_ns))
        };
        // A direction that is not recognised shows nothing, nor does what comes after a loss.
        let is_whole = self.setting.losses.is_empty() && self.follows(close.from);
        self.wire(close.from).arrived > close.last && (is_whole || records.any(is_later))
    }

    /// Checks the times of a message, of which the kernel programs first saw a packet at this time.
    fn check_leg(&self, leg: &Leg, from: Side, first_ns: u64) -> TestCaseResult {
        let wire = self.wire(from);
        prop_assert!(
            leg.first_start_ns() >= first_ns,
            "a packet before the message"
        );
        if self.is_certain() {
            prop_assert_eq!(leg.first_start_ns(), first_ns, "when the message was sent");
        }
        if leg.read_ns.is_some() {
            let at = wire.offset(leg.journey.seq);
            prop_assert_eq!(leg.read_ns, wire.read_ns(at), "when it was read");
        }
        Ok(())
    }

    /// What the kernel programs have sent, for a failure.
    pub(super) fn story(&self) -> String {
        let mut story = String::new();
        for milestone in &self.milestones {
            story += &format!("{milestone:?}\n");
        }
        let plans = &self.conversation.plans;
        for truth in truths(plans, &self.milestones, &self.played) {
            story += &format!("{truth:?}\n");
        }
        for record in self.played.kernel.records() {
            story += &match record {
                Record::Fragment(fragment) => format!(
                    "fragment of {} at {}: {}+{}{}{}{}{} {:02x?}\n",
                    fragment.sender_cookie,
                    fragment.start_ns,
                    fragment.packet_seq,
                    fragment.seq.wrapping_sub(fragment.packet_seq).cast_signed(),
                    if fragment.starts_frame { " starts" } else { "" },
                    if fragment.cut { " cut" } else { "" },
                    if fragment.lost_before { " lost" } else { "" },
                    if fragment.recognised {
                        " recognised"
                    } else {
                        ""
                    },
                    &fragment.bytes[..fragment.bytes.len().min(40)],
                ),
                Record::Journey(journey) => format!(
                    "{:?} of {} at {}: {}+{} {:?}\n",
                    journey.message,
                    journey.sender_cookie,
                    journey.start_ns,
                    journey.seq,
                    journey.payload_bytes,
                    journey.end,
                ),
                Record::Read(read) => {
                    format!(
                        "{} reads {} at {}\n",
                        read.cookie, read.read_seq, read.at_ns
                    )
                }
                _ => String::new(),
            };
        }
        let told = Told::of(&self.played, &self.setting);
        for exchange in told.exchanges {
            story += &format!(
                "{} {:?}{}{} {:?} {:?} {:?} {:?}\n",
                exchange.request_seq,
                exchange.asked.path,
                if exchange.asked.is_incomplete {
                    " incomplete"
                } else {
                    ""
                },
                if exchange.response.is_none() {
                    " without response"
                } else {
                    ""
                },
                exchange.answered,
                exchange.response_end,
                exchange.reset,
                exchange.ending
            );
        }
        story + &format!("{:?}\n", told.http2)
    }
}

/// Only a head of which a part is unknown may lack something.
fn check_request(exchange: &Exchange, plan: &Plan, truth: &Truth) -> TestCaseResult {
    let (asked, index) = (&exchange.asked, truth.index);
    match &asked.path {
        Some(path) => prop_assert_eq!(path, &plan.path(index)),
        None => prop_assert!(asked.is_incomplete, "a path is missing"),
    }
    match &asked.method {
        Some(method) => {
            prop_assert_eq!(method.original().unwrap_or(method.as_str()), plan.method);
        }
        None => prop_assert!(asked.is_incomplete, "a method is missing"),
    }
    let trace = match asked.trace {
        Extraction::Context(context) => Some((context.parent_id.to_string(), context.flags)),
        _ if asked.is_incomplete => return Ok(()),
        _ => None,
    };
    let sampled = plan.sampled.map(|sampled| {
        let parent_id = format!("{:016x}", index + 1);
        (parent_id, u8::from(sampled))
    });
    prop_assert_eq!(trace, sampled, "the trace context");
    prop_assert!(plan.is_grpc || !asked.is_grpc, "a call of gRPC");
    Ok(())
}

/// How a stream ended, and when, as an exchange has it.
fn end(exchange: &Exchange) -> Option<(How, u64)> {
    match (exchange.reset, exchange.response_end) {
        (Some(reset), _) => {
            let (code, by) = (reset.code, reset.by);
            Some((How::Reset { code, by }, reset.at_ns))
        }
        (None, ResponseEnd::At(at_ns)) => Some((How::Response, at_ns)),
        _ => None,
    }
}

/// Whether an exchange has everything that has happened.
fn is_complete(exchange: &Exchange, truth: &Truth) -> bool {
    let answered = exchange.answered.unwrap_or_default();
    let has_closed = match truth.close {
        Some(close) => end(exchange).is_some_and(|(how, _)| how == close.how),
        None => true,
    };
    !exchange.asked.is_incomplete
        && answered.status == truth.status
        && answered.grpc_status == truth.grpc_status
        && exchange.response.is_some() == truth.responded.is_some()
        && has_closed
}
