//! Compares what comes out of a conversation with what really happened.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{
    super::super::*,
    generator::{Plan, Truth},
    model,
    network::{Played, Setting},
};
use crate::{
    decode::{Close, CloseKind, Record},
    flow::Flow,
};

/// The kernel programs take a server that has received no request with a journey for a client if a
/// part of its response that looks like a request begins a packet, and find a request where none
/// begins if a body looks like two of them and where the requests begin is not known. Such
/// conversations are not checked.
const KERNEL_MAY_BE_WRONG: bool = true;
/// Where it is not known that a request begins, two parts of a body that look like requests count
/// as one if the client has received something between them, even the response to another request,
/// or an early or interim one.
const BODIES_MAY_BE_REQUESTS: bool = true;
/// A response whose request, or the response before it, was not seen may go to another request:
/// - a request that is not known to be one may have a response that goes to the next one;
/// - a request whose head is lost is not counted, and the next one gets its response;
/// - a client that pipelines may acknowledge a part of a response whose end is not known, and what
///   looks like a response behind that part counts as one.
const RESPONSES_MAY_MOVE: bool = true;

/// How many exchanges came out, by kind of conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) complete: usize,
    pub(super) without_response: usize,
    pub(super) missing: usize,
    /// Conversations that were not checked.
    pub(super) unchecked: usize,
    pub(super) conversations: usize,
}

/// What ends the connection, and is seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// Nothing.
    Unseen,
    /// The client's socket closes.
    Client,
    /// The server's FIN arrives behind what has arrived before.
    ServerFin,
    /// The server's socket closes. The client's is on another node.
    Server,
}

/// A conversation that was played.
pub(super) struct Case {
    pub(super) plans: Vec<Plan>,
    pub(super) setting: Setting,
    pub(super) end: ConnectionEnd,
    pub(super) truths: Vec<Truth>,
    pub(super) played: Played,
}

impl Case {
    /// Checks what comes out; adds to `outcomes`.
    pub(super) fn check(&self, outcomes: &mut BTreeMap<String, Outcome>) -> TestCaseResult {
        let outcome = outcomes.entry(self.kind()).or_default();
        outcome.conversations += 1;
        let is_kernel_right = self.is_kernel_right();
        let is_old = self.setting.attached_after.is_some();
        let is_certain = self.is_plain() && !is_old;
        prop_assert!(
            is_kernel_right || self.played.kernel.has_two_clients() || !is_certain,
            "a certain request is none"
        );
        if KERNEL_MAY_BE_WRONG && !is_kernel_right {
            outcome.unchecked += 1;
            return Ok(());
        }
        let (exchanges, losses) = exchanges(&self.played, self.end);
        let is_status_certain = !RESPONSES_MAY_MOVE || self.is_status_certain(losses);
        let mut found: BTreeMap<&str, Exchange> = BTreeMap::new();
        for exchange in exchanges {
            let Some(truth) = self.truth_of(&exchange) else {
                if BODIES_MAY_BE_REQUESTS && self.may_be_body(losses) {
                    continue;
                }
                let asked = &exchange.asked;
                return Err(TestCaseError::fail(format!("never sent: {asked:?}")));
            };
            check_request(&exchange, truth)?;
            if is_status_certain {
                self.check_response(&exchange, truth)?;
            }
            let is_failed = exchange.ending.is_some();
            let has_failed = !self.is_answered(truth);
            prop_assert!(has_failed || !is_failed, "{} has failed", truth.path);
            let must_fail = is_certain && self.is_known_to_fail(truth);
            prop_assert!(is_failed || !must_fail, "{} has not failed", truth.path);
            let before = found.insert(&truth.path, exchange);
            prop_assert!(before.is_none(), "{} came out twice", truth.path);
        }
        for truth in &self.truths {
            let is_followed = truth.is_sampled || self.setting.follows_all;
            if !is_followed || !self.is_answered(truth) {
                continue;
            }
            let response = found
                .get(&*truth.path)
                .map(|found| found.response.is_some());
            match response {
                Some(true) => outcome.complete += 1,
                Some(false) => outcome.without_response += 1,
                None => outcome.missing += 1,
            }
            let is_certain = self.is_plain() && !is_old && !self.has_losses();
            prop_assert!(
                response == Some(true) || !is_certain,
                "{} is silent",
                truth.path
            );
        }
        Ok(())
    }

    /// What the kernel programs leave no doubt about: the client waits for each response, and each
    /// head is short and in one packet.
    fn is_plain(&self) -> bool {
        !self.pipelines() && self.has_whole_heads() && !self.has_long_heads()
    }

    /// Whether a part of a body may count as a request, see [`BODIES_MAY_BE_REQUESTS`].
    fn may_be_body(&self, losses: Http1Losses) -> bool {
        losses.requests_unsure > 0 && self.plans.iter().any(Plan::may_overlap)
    }

    /// Whether no known fault of the pairing, see [`RESPONSES_MAY_MOVE`], is possible.
    fn is_status_certain(&self, losses: Http1Losses) -> bool {
        let is_sure = losses.requests_unsure == 0;
        if self.pipelines() {
            let has_ends = !self.plans.iter().any(Plan::has_chunked_response);
            let is_simple = self.has_whole_heads() && !self.has_losses() && has_ends;
            is_simple && is_sure && losses.requests_unanswered == 0
        } else {
            is_sure || self.is_plain()
        }
    }

    fn pipelines(&self) -> bool {
        self.plans.iter().any(|plan| plan.pipelines)
    }

    fn has_whole_heads(&self) -> bool {
        self.played.to_server.has_whole_heads() && self.played.to_client.has_whole_heads()
    }

    fn has_long_heads(&self) -> bool {
        self.truths.iter().any(|truth| truth.is_long)
    }

    fn has_losses(&self) -> bool {
        !self.setting.losses.is_empty()
    }

    /// The kind of conversation, for the outcomes.
    fn kind(&self) -> String {
        let traits = [
            (self.is_plain(), "plain"),
            (self.pipelines(), "pipelined"),
            (!self.has_whole_heads(), "cut heads"),
            (self.has_long_heads(), "long heads"),
        ];
        let traits = traits.iter().filter(|(is_so, _)| *is_so);
        let names: Vec<&str> = traits.map(|(_, name)| *name).collect();
        names.join(", ")
    }

    /// Whether the client has the whole head of the last response.
    fn is_answered(&self, truth: &Truth) -> bool {
        self.played.to_client.arrived >= truth.response_head.end
    }

    /// Whether the connection ends before the last response begins, and each byte of the server that
    /// was sent before has arrived and was seen.
    fn is_known_to_fail(&self, truth: &Truth) -> bool {
        let to_client = &self.played.to_client;
        let is_complete = to_client.sent_seq() == to_client.arrived_seq() && !self.has_losses();
        let has_begun = to_client.arrived > truth.response_head.start;
        self.end != ConnectionEnd::Unseen && is_complete && !has_begun
    }

    /// Whether each request of which the kernel programs are certain is one.
    fn is_kernel_right(&self) -> bool {
        let kernel = &self.played.kernel;
        let mut certain = kernel.certain_requests.iter();
        !kernel.has_two_clients()
            && certain.all(|seq| {
                let offset = self.played.to_server.offset(*seq);
                let mut truths = self.truths.iter();
                truths.any(|truth| truth.request_head.start == offset)
            })
    }

    /// An empty line before a request may count as its beginning.
    fn truth_of(&self, exchange: &Exchange) -> Option<&Truth> {
        let offset = self.played.to_server.offset(exchange.request_seq);
        let mut truths = self.truths.iter();
        truths.find(|truth| truth.request_begin <= offset && offset <= truth.request_head.start)
    }

    /// Only a response whose head was lost may have no status.
    fn check_response(&self, exchange: &Exchange, truth: &Truth) -> TestCaseResult {
        let status = exchange.answered.and_then(|answered| answered.status);
        match &exchange.response {
            None => prop_assert_eq!(status, None),
            Some(_) if status.is_none() && self.has_losses() => {}
            Some(_) => prop_assert_eq!(status, Some(truth.status)),
        }
        Ok(())
    }

    /// What the kernel programs have sent, for a failure.
    pub(super) fn story(&self) -> String {
        let mut story = format!("{:#?}\n", self.truths);
        for record in &self.played.kernel.records {
            story += &match record {
                Record::Head(head) => format!(
                    "{:?} head {}+{} ack {} {}{:?}\n",
                    head.message,
                    head.seq,
                    head.offset,
                    head.ack,
                    if head.continues { "continues " } else { "" },
                    String::from_utf8_lossy(&head.bytes)
                ),
                Record::Journey(journey) => format!(
                    "{:?} {} ack {}{}{}\n",
                    journey.message,
                    journey.seq,
                    journey.ack,
                    if journey.in_sequence {
                        " in sequence"
                    } else {
                        ""
                    },
                    if journey.behind_left_out {
                        " behind left out"
                    } else {
                        ""
                    },
                ),
                Record::Read(read) => format!("{} reads {}\n", read.cookie, read.read_seq),
                _ => String::new(),
            };
        }
        for exchange in exchanges(&self.played, self.end).0 {
            story += &format!(
                "{} {:?} {:?} {:?}\n",
                exchange.request_seq, exchange.asked.path, exchange.answered, exchange.ending
            );
        }
        story
    }
}

/// Only a head that was cut may have no path.
fn check_request(exchange: &Exchange, truth: &Truth) -> TestCaseResult {
    let asked = &exchange.asked;
    match &asked.path {
        Some(path) => prop_assert_eq!(path, &truth.path),
        None => prop_assert!(asked.is_incomplete, "a path is missing"),
    }
    if let Some(method) = &asked.method {
        prop_assert_eq!(method.original().unwrap_or(method.as_str()), truth.method);
    }
    Ok(())
}

/// Plays the records, then the end of the connection if it has one.
fn exchanges(played: &Played, end: ConnectionEnd) -> (Vec<Exchange>, Http1Losses) {
    let (mut flow, mut handshakes) = (Flow::default(), Handshakes::default());
    let (mut pairing, mut exchanges) = (Http1Pairing::default(), Vec::new());
    let mut events = Vec::new();
    for record in played.kernel.records.iter().cloned() {
        match record {
            Record::Head(head) => pairing.head(&head, &mut handshakes, &mut |exchange| {
                exchanges.push(exchange);
            }),
            Record::Journey(journey) => flow.journey(journey, &mut |event| events.push(event)),
            Record::Read(read) => flow.read(read, &mut |event| events.push(event)),
            _ => {}
        }
        for event in events.drain(..) {
            pairing.event(event, &mut handshakes, &mut |exchange| {
                exchanges.push(exchange);
            });
        }
    }
    if let Some(close) = close(played, end) {
        flow.close(&close);
        events.extend(flow.expire(played.end_ns + 1_000_000_000));
    }
    events.extend(flow.finish());
    for event in events {
        pairing.event(event, &mut handshakes, &mut |exchange| {
            exchanges.push(exchange);
        });
    }
    let losses = pairing.losses();
    (exchanges, losses)
}

/// The record of the end.
fn close(played: &Played, end: ConnectionEnd) -> Option<Close> {
    let arrived_seq = played.to_client.arrived_seq();
    let (side, what) = match end {
        ConnectionEnd::Unseen => return None,
        ConnectionEnd::Client => (Side::Client, CloseKind::Closed),
        ConnectionEnd::ServerFin => (Side::Client, CloseKind::PeerFinished),
        ConnectionEnd::Server => (Side::Server, CloseKind::Closed),
    };
    let fin_bytes = u32::from(end == ConnectionEnd::ServerFin);
    Some(Close {
        cookie: model::cookie(side),
        what,
        at_ns: played.end_ns,
        error: None,
        received_seq: (side == Side::Client).then_some(arrived_seq.wrapping_add(fin_bytes)),
        sent_seq: (side == Side::Server).then_some(played.to_client.sent_seq()),
    })
}
