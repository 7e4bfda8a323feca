//! The problems of a span in words. In: a span. Out: sentences without a full stop. Pure; knows no
//! layout.

use crate::duration::duration;
use crate::span::{Facts, Span};
use crate::tree::Detached;

/// All problems of a span, and why it is apart from its parent.
pub(crate) fn problems(span: &Span, detached: Option<Detached>) -> Vec<String> {
    let facts = span.facts();
    let all = [
        detached.map(apart),
        (span.end_ns < span.start_ns).then(|| {
            let before = duration(span.start_ns - span.end_ns, 4);
            format!("ends {before} before it starts")
        }),
        error(span),
        facts.and_then(refused),
        facts.and_then(dropped),
        facts
            .filter(|f| f.retransmits > 0)
            .map(|f| match f.retransmits {
                1 => "1 TCP retransmission".to_owned(),
                n => format!("{n} TCP retransmissions"),
            }),
        facts.and_then(|f| f.zero_window_ns).map(|ns| match ns {
            0 => "receive window zero".to_owned(),
            ns => format!("receive window zero for {}", duration(ns, 4)),
        }),
        facts
            .and_then(|f| f.incomplete.as_ref())
            .map(|what| match what.as_str() {
                "" => "incomplete".to_owned(),
                what => format!("incomplete: {what}"),
            }),
    ];
    all.into_iter().flatten().collect()
}

/// Why the span failed, by the best evidence that there is: the rules that refuse it, the dropped
/// packet, the error. `None` where it did not fail.
pub(crate) fn failure(span: &Span) -> Option<String> {
    let error = error(span)?;
    let facts = span.facts();
    let evidence = facts.and_then(refused).or_else(|| facts.and_then(dropped));
    Some(evidence.unwrap_or(error))
}

pub(crate) fn apart(reason: Detached) -> String {
    match reason {
        Detached::ParentMissing(parent) => format!("its parent span {parent} was not received"),
        Detached::ParentCycle => "its parent spans form a cycle".to_owned(),
    }
}

fn error(span: &Span) -> Option<String> {
    let failure = span.failure.as_ref()?;
    let correlation = span.facts().and_then(|facts| facts.correlation.as_ref());
    Some(match correlation {
        // The agent assigned the failed connect to the request that its process or pod was serving.
        Some(how) => format!("error: {failure} (belongs here: {how})"),
        None => format!("error: {failure}"),
    })
}

/// Why kube-proxy's rules lead to no endpoint.
fn refused(facts: &Facts) -> Option<String> {
    let reason = facts.refusal.as_ref()?;
    Some(match &facts.rules_service {
        Some(service) => format!("kube-proxy's rules refuse it: {service} has {reason}"),
        None => format!("kube-proxy's rules refuse it: {reason}"),
    })
}

fn dropped(facts: &Facts) -> Option<String> {
    let what = match (&facts.drop_reason, &facts.drop_hop) {
        (Some(reason), Some(hop)) => format!("dropped at {hop}: {reason}"),
        (Some(reason), None) => format!("dropped: {reason}"),
        (None, Some(hop)) => format!("dropped at {hop}"),
        (None, None) => return None,
    };
    Some(match &facts.drop_by {
        Some(by) => format!("{what} by {by}"),
        None => what,
    })
}
