//! The metrics of journeys and of records that were lost. In: counters. Out: text.

use std::fmt;

use tracer_common::counter::Counter;

use super::{encoder::MetricsEncoder, signed};
use crate::run::status::Numbers;

/// Journeys: opened = closed + left + forwarded + dropped + out of sight + under way.
pub(super) fn write(metrics: &mut MetricsEncoder<'_>, numbers: &Numbers) -> fmt::Result {
    let kernel = &numbers.kernel;
    metrics.counters(
        "hopspan_hook_hits",
        "Packets of interest seen at a hook",
        "hook",
        kernel.hits.iter().map(|(hook, hits)| (*hook, *hits)),
    )?;
    for (name, help, counter) in [
        (
            "hopspan_journeys_opened",
            "Journeys that the programs opened",
            Counter::Opened,
        ),
        (
            "hopspan_journeys_closed",
            "Journeys that ended at a socket",
            Counter::Closed,
        ),
        (
            "hopspan_journeys_dropped",
            "Journeys that ended because the kernel dropped the packet",
            Counter::Dropped,
        ),
        (
            "hopspan_journeys_left",
            "Journeys that ended because the packet left the node by an uplink",
            Counter::Left,
        ),
        (
            "hopspan_journeys_forwarded",
            "Journeys of packets that came by an uplink and left by an uplink: the node only routes them",
            Counter::Forwarded,
        ),
    ] {
        metrics.counter(name, help, kernel.get(counter))?;
    }
    metrics.counter(
        "hopspan_requests_left_out",
        "Requests that the programs did not follow: their trace context is not sampled or missing",
        kernel.get(Counter::LeftOut),
    )?;
    metrics.counters(
        "hopspan_journeys_out_of_sight",
        "Journeys that ended without a known end of their packet",
        "reason",
        [
            ("expired", numbers.expired),
            ("mismatched", kernel.get(Counter::Mismatched)),
            ("replaced", kernel.get(Counter::Replaced)),
        ],
    )?;
    let journeys = numbers.journeys;
    metrics.gauge(
        "hopspan_journeys_under_way",
        "Journeys in the kernel's map at its last sweep",
        signed(journeys.entries),
    )?;
    metrics.gauge(
        "hopspan_journeys_max",
        "Journeys that the kernel's map can hold",
        signed(journeys.max_entries),
    )?;
    metrics.counters(
        "hopspan_records_lost",
        "Records that the programs could not keep or send",
        "reason",
        kernel.losses(),
    )?;
    let pairs = numbers.pair_losses.iter().map(|pair| {
        let [one, other] = pair.addresses.map(|address| address.to_string());
        (one, other, pair.lost)
    });
    let pairs: Vec<_> = pairs.collect();
    metrics.counters_labelled(
        "hopspan_pair_records_lost",
        "Of these, records of packets between two addresses that had used up their share of the ring buffer; the pairs that lost most",
        pairs.iter().map(|(one, other, lost)| {
            ([("one", one.as_str()), ("other", other.as_str())], *lost)
        }),
    )
}
