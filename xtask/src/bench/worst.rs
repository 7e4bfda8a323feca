//! The worst case: nothing but requests, as many as the machine carries. In: nginx behind a
//! ClusterIP on a bridge, wrk with kept connections. Out: requests a second with an observer, to
//! without, in pairs A B A B.
//!
//! Both halves of a pair send the same bytes: only the observer differs.

mod iptables_trace;
mod observer;

use anyhow::Result;

use super::fixture::nginx::NginxFixture;
use super::fixture::traceparent::Traceparent;
use super::outcome::{Outcome, Unit};
use super::settings::Settings;
use super::statistics::{Pair, halves, ratios};
use crate::table::Table;
use observer::Observed;

/// Seconds of one half of a pair.
const SECONDS: u64 = 5;
/// Seconds before the first pair, whose result is not used.
const WARM_UP: u64 = 2;

/// What observes the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observer {
    Agent,
    Tcpdump,
    IptablesTrace,
}

/// Key, words, what requests carry, and the observer.
type Variant = (&'static str, &'static str, Traceparent, Observer);

const VARIANTS: [Variant; 6] = [
    (
        "none",
        "hopspan, no traceparent",
        Traceparent::None,
        Observer::Agent,
    ),
    (
        "sampled_0",
        "hopspan, 0 % sampled",
        Traceparent::Sampled(0),
        Observer::Agent,
    ),
    (
        "sampled_1",
        "hopspan, 1 % sampled",
        Traceparent::Sampled(1),
        Observer::Agent,
    ),
    (
        "sampled_100",
        "hopspan, 100 % sampled",
        Traceparent::Sampled(100),
        Observer::Agent,
    ),
    (
        "tcpdump",
        "tcpdump -i any -w",
        Traceparent::Sampled(1),
        Observer::Tcpdump,
    ),
    (
        "trace",
        "iptables TRACE",
        Traceparent::Sampled(1),
        Observer::IptablesTrace,
    ),
];

/// Measures every variant in every round, so that the machine is the same for all of them.
///
/// # Errors
/// When something does not start, or requests fail.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = NginxFixture::start(settings, "worst")?;
    fixture.wrk(Traceparent::None, settings.length(WARM_UP))?;
    let mut pairs: [Vec<Pair>; VARIANTS.len()] = Default::default();
    let mut seen: [Vec<String>; VARIANTS.len()] = Default::default();
    for round in 0..settings.rounds {
        for (index, (_, what, traceparent, observer)) in VARIANTS.into_iter().enumerate() {
            settings.note_round(round, what);
            let load = || {
                settings.settle();
                fixture.wrk(traceparent, settings.length(SECONDS))
            };
            let without = load()?;
            let Observed { rate: with, lines } = match observer {
                Observer::Agent => observer::agent(settings, &fixture, load),
                Observer::Tcpdump => observer::tcpdump(&fixture, load),
                Observer::IptablesTrace => iptables_trace::observe(&fixture, load),
            }?;
            pairs[index].push(Pair { without, with });
            seen[index] = lines;
        }
    }
    Ok(outcome(&pairs, &seen))
}

fn outcome(pairs: &[Vec<Pair>; VARIANTS.len()], seen: &[Vec<String>; VARIANTS.len()]) -> Outcome {
    let mut outcome = Outcome::new("worst");
    for ((key, what, ..), pairs) in VARIANTS.iter().zip(pairs) {
        let what = format!("{what}, with / without");
        outcome.figure(&format!("{key}.ratio"), &what, Unit::Ratio, ratios(pairs));
    }
    let of = |key: &str| VARIANTS.iter().position(|variant| variant.0 == key);
    if let (Some(ours), Some(theirs)) = (of("sampled_1"), of("tcpdump")) {
        let each = ratios(&pairs[ours]).into_iter().zip(ratios(&pairs[theirs]));
        outcome.figure(
            "ahead_of_tcpdump.ratio",
            "beside hopspan (1 % sampled) / beside tcpdump",
            Unit::Ratio,
            each.map(|(ours, theirs)| ours / theirs).collect(),
        );
    }
    for ((key, what, ..), pairs) in VARIANTS.iter().zip(pairs) {
        for (half, values) in halves(pairs) {
            let what = format!("{what}, {half}");
            outcome.figure(&format!("{key}.{half}"), &what, Unit::PerSecond, values);
        }
    }
    let mut table = Table::new("worst: what was seen and lost, last round", &["", ""]);
    for ((_, what, ..), lines) in VARIANTS.iter().zip(seen) {
        for line in lines {
            table.row(vec![(*what).to_owned(), line.clone()]);
        }
    }
    outcome.tables.push(table);
    outcome.note(
        "hopspan's receiver runs on the same processors and only counts: the time that it takes counts against hopspan. tcpdump writes two files of 100 MB in turn. TRACE is set for the packets of the service, and `nft monitor trace` reads its messages; messages that it lost are not counted.",
    );
    outcome
}
