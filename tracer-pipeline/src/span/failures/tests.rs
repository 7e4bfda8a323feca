//! Counts of failures, and their bound.

use tracer_common::{journey::End, message::Message};

use super::*;
use crate::{
    flow::{Cause, Ending, ZeroWindow},
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
                failures.journey(&journey(Message::Request, 5, end), context);
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
