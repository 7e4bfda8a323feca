//! The worst case: nothing but requests, as many as the machine carries. In: nginx behind a ClusterIP
//! on a bridge, wrk with connections that are kept. Out: requests a second with something watching, to
//! without, in pairs A B A B.
//!
//! Both halves of a pair send the same bytes: only who watches differs.

mod iptables_trace;
mod watching;

use anyhow::Result;

use super::ground::{Ground, Traceparent};
use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::statistics::{Pair, halves, ratios};
use crate::table::Table;
use watching::Watching;

/// Seconds of one half of a pair.
const SECONDS: u64 = 5;
/// Seconds before the first pair, whose result nobody reads.
const WARM_UP: u64 = 2;

/// Who watches what.
struct Variant {
    key: &'static str,
    what: &'static str,
    traceparent: Traceparent,
    watching: Watching,
}

const VARIANTS: [Variant; 6] = [
    Variant::new(
        "none",
        "hopspan, no traceparent",
        Traceparent::None,
        Watching::Agent,
    ),
    Variant::new(
        "sampled_0",
        "hopspan, 0 % sampled",
        Traceparent::Sampled(0),
        Watching::Agent,
    ),
    Variant::new(
        "sampled_1",
        "hopspan, 1 % sampled",
        Traceparent::Sampled(1),
        Watching::Agent,
    ),
    Variant::new(
        "sampled_100",
        "hopspan, 100 % sampled",
        Traceparent::Sampled(100),
        Watching::Agent,
    ),
    Variant::new(
        "tcpdump",
        "tcpdump -i any -w",
        Traceparent::Sampled(1),
        Watching::Tcpdump,
    ),
    Variant::new(
        "trace",
        "iptables TRACE",
        Traceparent::Sampled(1),
        Watching::IptablesTrace,
    ),
];

impl Variant {
    const fn new(
        key: &'static str,
        what: &'static str,
        traceparent: Traceparent,
        watching: Watching,
    ) -> Self {
        Self {
            key,
            what,
            traceparent,
            watching,
        }
    }
}

/// Measures every variant in every round, so that all of them meet the same machine.
///
/// # Errors
/// When something does not start, or requests fail.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Ground::start(bench, "worst")?;
    ground.wrk(Traceparent::None, bench.length(WARM_UP))?;
    let mut pairs: [Vec<Pair>; VARIANTS.len()] = Default::default();
    let mut seen: [Vec<String>; VARIANTS.len()] = Default::default();
    for round in 0..bench.rounds() {
        for (index, variant) in VARIANTS.iter().enumerate() {
            bench.round(round, variant.what);
            bench.settle();
            let without = ground.wrk(variant.traceparent, bench.length(SECONDS))?;
            let watched = variant.watching.watch(bench, &ground, || {
                bench.settle();
                ground.wrk(variant.traceparent, bench.length(SECONDS))
            })?;
            pairs[index].push(Pair {
                without,
                with: watched.rate,
            });
            seen[index] = watched.seen;
        }
    }
    Ok(told(&pairs, &seen))
}

fn told(pairs: &[Vec<Pair>; VARIANTS.len()], seen: &[Vec<String>; VARIANTS.len()]) -> Outcome {
    let mut outcome = Outcome::new("worst");
    for (variant, pairs) in VARIANTS.iter().zip(pairs) {
        let what = format!("{}, with / without", variant.what);
        let key = format!("{}.ratio", variant.key);
        outcome.figure(&key, &what, Unit::Ratio, ratios(pairs));
    }
    let of = |key: &str| VARIANTS.iter().position(|variant| variant.key == key);
    if let (Some(ours), Some(theirs)) = (of("sampled_1"), of("tcpdump")) {
        let each = ratios(&pairs[ours]).into_iter().zip(ratios(&pairs[theirs]));
        outcome.figure(
            "ahead_of_tcpdump.ratio",
            "beside hopspan (1 % sampled) / beside tcpdump",
            Unit::Ratio,
            each.map(|(ours, theirs)| ours / theirs).collect(),
        );
    }
    for (variant, pairs) in VARIANTS.iter().zip(pairs) {
        for (half, values) in halves(pairs) {
            outcome.figure(
                &format!("{}.{half}", variant.key),
                &format!("{}, {half}", variant.what),
                Unit::PerSecond,
                values,
            );
        }
    }
    let mut table = Table::new("worst: what was seen and lost, last round", &["", ""]);
    for (variant, lines) in VARIANTS.iter().zip(seen) {
        for line in lines {
            table.row(vec![variant.what.to_owned(), line.clone()]);
        }
    }
    outcome.tables.push(table);
    outcome.note(
        "hopspan's receiver runs on the same processors and only counts: what it takes counts against hopspan. tcpdump writes two files of 100 MB in turn. TRACE is set for the packets of the service, and `nft monitor trace` reads what it says; lines that it lost are not told.",
    );
    outcome
}
