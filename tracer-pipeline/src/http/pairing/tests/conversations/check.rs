//! Compares what comes out of a conversation with what really happened.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{
    super::super::*,
    generator::{Plan, Truth},
};
use crate::{
    conversation_tests::{Played, Seen, Setting, Told},
    decode::Record,
    http::ResponseEnd,
};

/// A part of a response, or an interim one, looks as if the client had received the response to the
/// request before, if the kernel programs leave that request out. A request that it sends then is not known to
/// pipeline, and neither is one on a connection of which the programs did not see the beginning. In
/// such conversations a response may go to the request after its own.
const LEFT_OUT_MAY_BE_UNANSWERED: bool = true;
/// Behind a head in pieces, and on a connection that is older than the programs, the kernel programs
/// are certain of a request where none begins if a body looks like two of them. Where they leave the
/// first one out, the pairing does not see that it is in doubt.
const LEFT_OUT_MAY_BE_BODIES: bool = true;

/// How many exchanges came out, by kind of conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) complete: usize,
    pub(super) without_response: usize,
    pub(super) missing: usize,
    pub(super) conversations: usize,
}

/// A conversation that was played.
pub(super) struct Case {
    pub(super) plans: Vec<Plan>,
    pub(super) setting: Setting,
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
        let is_certain = self.is_plain() && !is_old && self.setting.seen == Seen::Both;
        prop_assert!(
            is_old || !self.played.kernel.has_two_clients(),
            "the server is taken for a client"
        );
        prop_assert!(
            is_kernel_right || self.played.kernel.has_two_clients() || !is_certain,
            "a certain request is none"
        );
        let Told { exchanges, .. } = Told::of(&self.played, &self.setting);
        let is_status_certain = !(LEFT_OUT_MAY_BE_UNANSWERED && self.is_sent_behind_left_out());
        let mut found: BTreeMap<&str, Exchange> = BTreeMap::new();
        for exchange in exchanges {
            let Some(truth) = self.truth_of(&exchange) else {
                if LEFT_OUT_MAY_BE_BODIES && !is_kernel_right && !self.setting.follows_all {
                    continue;
                }
                let asked = &exchange.asked;
                return Err(TestCaseError::fail(format!("never sent: {asked:?}")));
            };
            check_request(&exchange, truth)?;
            self.check_times(&exchange, truth, is_status_certain)?;
            if is_status_certain {
                self.check_response(&exchange, truth)?;
            }
            let is_failed = exchange.ending.is_some();
            let has_failed = self.played.to_client.arrived < truth.response_end;
            let may_fail = has_failed || !is_status_certain;
            prop_assert!(may_fail || !is_failed, "{} has failed", truth.path);
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
            let is_certain = is_certain && self.setting.troubles.is_empty() && !self.has_losses();
            prop_assert!(
                response == Some(true) || !is_certain,
                "{} is silent",
                truth.path
            );
        }
        Ok(())
    }

    /// The times of the messages and of the end of the response are those of packets with their bytes.
    fn check_times(
        &self,
        exchange: &Exchange,
        truth: &Truth,
        is_status_certain: bool,
    ) -> TestCaseResult {
        let Played {
            to_server,
            to_client,
            ..
        } = &self.played;
        let request = &exchange.request;
        let begin = to_server.offset(exchange.request_seq);
        let starts = request.packets().into_iter().map(|packet| packet.start_ns);
        let mut is_seen = starts.map(|at_ns| to_server.is_seen_at(begin, at_ns));
        prop_assert!(is_seen.any(|is_so| is_so), "when {} was sent", truth.path);
        if request.read_ns.is_some() {
            let at = to_server.offset(request.journey.seq);
            let expected = to_server.read_ns(at);
            // Of a copy, behind a packet that was not followed, it may be a later read.
            let is_first = to_server.seen_ns(at) == Some(request.first_start_ns());
            let is_so = request.read_ns == expected || !is_first && request.read_ns > expected;
            prop_assert!(is_so, "when {} was read", truth.path);
        }
        if let (Some(response), true) = (&exchange.response, is_status_certain) {
            let begin = truth.response_head.start;
            let mut packets = response.packets().into_iter();
            let is_so = packets.any(|packet| to_client.is_seen_at(begin, packet.start_ns));
            prop_assert!(is_so, "when the response to {} was sent", truth.path);
            if response.read_ns.is_some() {
                let expected = to_client.read_ns(to_client.offset(response.journey.seq));
                prop_assert_eq!(
                    response.read_ns,
                    expected,
                    "when the response to {} was read",
                    truth.path
                );
            }
        }
        if let (ResponseEnd::At(at_ns), true) = (exchange.response_end, is_status_certain) {
            let is_so = to_client.is_seen_at(truth.response_end - 1, at_ns);
            prop_assert!(is_so, "when the response to {} ended", truth.path);
        }
        Ok(())
    }

    /// What the kernel programs leave no doubt about: the client waits for each response, and each
    /// head is short and in one packet, a last response not in that of an interim one.
    fn is_plain(&self) -> bool {
        let is_waiting = !self.pipelines() && !self.has_joined_responses();
        is_waiting && self.has_whole_heads() && !self.has_long_heads()
    }

    /// Whether a packet has an interim response and the last one: the kernel programs see the first.
    fn has_joined_responses(&self) -> bool {
        let mut exchanges = self.truths.iter().zip(&self.plans);
        exchanges.any(|(truth, plan)| {
            let begin = truth.response_head.start;
            plan.has_interim()
                && self
                    .played
                    .to_client
                    .is_in_one_packet(&(begin - 1..begin + 1))
        })
    }

    /// Whether a request may be sent behind one that is left out, of whose response a part has come.
    fn is_sent_behind_left_out(&self) -> bool {
        let is_old = self.setting.attached_after.is_some();
        let is_in_parts = |truth: &Truth| {
            let response = truth.response_head.start..truth.response_end;
            !self.played.to_client.is_in_one_packet(&response)
        };
        let mut has_parts = is_old;
        let mut exchanges = self.truths.iter().zip(&self.plans).enumerate();
        let is_behind = exchanges.any(|(index, (truth, plan))| {
            has_parts |= plan.has_interim() || is_in_parts(truth);
            let is_followed_by = self.plans[index + 1..].iter().any(|plan| plan.pipelines);
            !truth.is_sampled && is_followed_by && has_parts
        });
        !self.setting.follows_all && is_behind
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

    /// Whether records are lost, or a node sees packets of another one out of order.
    fn has_losses(&self) -> bool {
        let is_disordered = self.setting.seen != Seen::Both && !self.setting.troubles.is_empty();
        !self.setting.losses.is_empty() || is_disordered
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
        self.setting.is_end_seen() && is_complete && !has_begun
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
        for record in self.played.kernel.records() {
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
                    "{:?} {}+{} ack {} at {}: {:?}{}{}{}\n",
                    journey.message,
                    journey.seq,
                    journey.payload_bytes,
                    journey.ack,
                    journey.start_ns,
                    journey.end,
                    if journey.ends_later {
                        " ends later"
                    } else {
                        ""
                    },
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
                Record::Read(read) => {
                    format!(
                        "{} reads {} at {}\n",
                        read.cookie, read.read_seq, read.at_ns
                    )
                }
                _ => String::new(),
            };
        }
        for exchange in Told::of(&self.played, &self.setting).exchanges {
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
