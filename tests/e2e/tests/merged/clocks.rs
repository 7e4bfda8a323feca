//! Checks of the difference between two nodes' clocks. In: the traces, and the real difference.
//! Out: a failed test where another difference was found.

use std::ops::RangeInclusive;

use super::dispatched::Dispatched;

/// Longer than any packet of these exchanges is under way, on a machine that may be compiling.
const MAX_BOUND_NS: i64 = 20_000_000;

/// Checks the skew that was taken out of each exchange: the real one is within the bound of error.
pub(crate) fn assert_skews(dispatched: &Dispatched, expected: RangeInclusive<i64>) {
    for (trace, call) in dispatched.calls() {
        for exchange in &trace.exchanges_below(call) {
            let request = exchange.path("request");
            let number = |key: &str| -> i64 { request.attribute(key).parse().unwrap() };
            let skew_ns = number("hopspan.clock.skew_ns");
            let bound_ns = number("hopspan.clock.skew_bound_ns");
            assert!((0..MAX_BOUND_NS).contains(&bound_ns), "{exchange:#?}");
            let apart_ns = match () {
                () if skew_ns < *expected.start() => expected.start() - skew_ns,
                () if skew_ns > *expected.end() => skew_ns - expected.end(),
                () => 0,
            };
            assert!(
                apart_ns <= bound_ns,
                "{skew_ns}, not {expected:?}: {exchange:#?}"
            );
        }
    }
}

/// Checks that the page names the clock and its difference.
pub(crate) fn assert_page(dispatched: &Dispatched, ahead_ms: i64) {
    let which = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let text = format!("clock of node-2 {which} node-1's by ");
    let page = &dispatched.outcome.page;
    let at = page
        .find(&text)
        .unwrap_or_else(|| panic!("no {text:?}:\n{page}"));
    let by = &page[at + text.len()..];
    let (ms, rest) = by.split_once(' ').unwrap();
    assert!(rest.starts_with("ms ± "), "{by}");
    let ms: f64 = ms.parse().unwrap();
    assert!((ms - ahead_ms.unsigned_abs() as f64).abs() < 5.0, "{ms} ms");
}
