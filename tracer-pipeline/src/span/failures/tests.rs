//! Counts of failures, and their bound.

use tracer_common::{journey::End, message::Message};

use super::*;
use crate::{
    decode,
    flow::{Cause, Ending, Side, ZeroWindow},
    http::Reset,
    span::exchange::tests::{exchange, journey, with_context},
};

/// Checks the counts after `count`; each line is `reason service hop count`.
fn check(count: impl FnOnce(&mut Failures, &Context<'_>), expected: &[&str]) {
    let mut failures = Failures::default();
    with_context(|context| count(&mut failures, context));
    let lines: Vec<String> = failures
        .counts()
        .map(|(failure, count)| {
            let Failure {
                reason,
                service,
                hop,
            } = failure;
            format!("{reason} {service} {hop} {count}")
        })
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn only_journeys_that_end_in_a_drop_are_counted() {
    check(
        |failures, context| {
            for end in [End::Dropped, End::Socket, End::Dropped] {
                failures.journey(&journey(Message::Request, 5, end), || None, context);
            }
        },
        &["NETFILTER_DROP default/web-manual:http netfilter.prerouting 2"],
    );
}

#[test]
fn failures_of_an_exchange_are_counted() {
    let mut failed = exchange("");
    failed.request.earlier = vec![journey(Message::Request, 1_150, End::Dropped)];
    failed.request.window(ZeroWindow {
        closed_ns: 1_250,
        opened_ns: None,
    });
    failed.response = None;
    failed.ending = Some(Ending {
        cause: Cause::Reset,
        by: None,
        at_ns: 2_000,
        answered_until: None,
    });
    check(
        |failures, context| failures.exchange(&failed, context),
        &[
            "connection_reset default/web-manual:http  1",
            "retransmitted default/web-manual:http netfilter.prerouting 1",
            "zero_window default/web-manual:http  1",
        ],
    );
}

/// A journey that was dropped before conntrack had seen its packet.
fn dropped_early(message: Message) -> Journey {
    let translated = journey(message, 1_150, End::Dropped);
    let known = translated.conntrack.unwrap();
    let from_client = matches!(message, Message::Syn | Message::Request);
    Journey {
        conntrack: None,
        received: None,
        sent: if from_client {
            known.original
        } else {
            known.reply
        },
        ..translated
    }
}

/// The service is known from any packet of the connection, or from the address.
#[test]
fn a_packet_dropped_early_has_the_service_of_its_connection() {
    const DROPPED: &str = "NETFILTER_DROP default/web-manual:http netfilter.prerouting 1";
    let known = journey(Message::Request, 5, End::Socket).conntrack;
    let (request, response) = (Message::Request, Message::Response);
    for (message, translation, expected) in [
        (request, None, DROPPED),
        (response, known, DROPPED),
        (response, None, "NETFILTER_DROP  netfilter.prerouting 1"),
    ] {
        check(
            |failures, context| {
                failures.journey(&dropped_early(message), || translation, context);
            },
            &[expected],
        );
    }
    let mut retried = exchange("");
    let response = retried.response.as_mut().unwrap();
    response.earlier = vec![dropped_early(Message::Response)];
    check(
        |failures, context| failures.exchange(&retried, context),
        &["retransmitted default/web-manual:http netfilter.prerouting 1"],
    );
    let mut failed = exchange("");
    failed.request.journey = dropped_early(Message::Request);
    failed.request.journey.sent.destination = "10.201.1.12:8080".parse().unwrap();
    failed.response = None;
    failed.ending = Some(Ending {
        cause: Cause::TimedOut,
        by: None,
        at_ns: 2_000,
        answered_until: None,
    });
    check(
        |failures, context| failures.exchange(&failed, context),
        &["timeout default/web-manual:http  1"],
    );
}

#[test]
fn a_connect_that_fails_early_has_the_service_of_its_address() {
    let syn = dropped_early(Message::Syn);
    let socket = decode::FailedConnect {
        cookie: syn.sender_cookie,
        began_ns: 1_000,
        at_ns: 9_000,
        error: Some(110),
        tgid: 1,
        cgroup: 2,
        sent: syn.sent,
    };
    let connect = Connect {
        syn: Leg::new(syn),
        syn_ack: None,
    };
    for (connect, hop) in [(Some(connect), "netfilter.prerouting"), (None, "")] {
        let failed = FailedConnect { socket, connect };
        let expected = format!("timeout default/web-manual:http {hop} 1");
        check(
            |failures, context| failures.failed_connect(&failed, context),
            &[&expected],
        );
    }
}

#[test]
fn streams_that_are_reset_are_counted_by_the_name_of_their_code() {
    for (code, expected) in [
        (0, &[][..]),
        (8, &["CANCEL default/web-manual:http  1"][..]),
        (0xbad, &["other default/web-manual:http  1"][..]),
    ] {
        let mut reset = exchange("");
        reset.reset = Some(Reset {
            code,
            by: Side::Client,
            at_ns: 2_000,
        });
        check(
            |failures, context| failures.exchange(&reset, context),
            expected,
        );
    }
}

#[test]
fn a_successful_exchange_counts_nothing() {
    check(
        |failures, context| failures.exchange(&exchange(""), context),
        &[],
    );
}

#[test]
fn failures_beyond_the_bound_are_counted_as_other() {
    let mut failures = Failures::default();
    for number in 0..MAX_FAILURES + 9 {
        failures.count(Failure::of_no_hop(number.to_string(), no_service()));
    }
    assert_eq!(failures.counts().count(), MAX_FAILURES + 1);
    let other = Failure::of_no_hop(OTHER, no_service());
    assert_eq!(failures.0.get(&other), Some(&9));
}
