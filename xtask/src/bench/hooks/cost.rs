//! From sums to the cost of one run. In: the sums of the mixes of one round. Out: nanoseconds, by
//! hook and kind of packet. Pure.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::part::{Part, kind};
use super::snapshot::{Runs, Snapshot};

/// A mean of fewer runs is too uncertain.
const FEWEST_RUNS: u64 = 200;
/// Of a hundred runs, so many may be hits in a mix without journeys.
const MISSES_MAX_HITS: u64 = 2;
/// With fewer hits in a hundred runs, the error of the misses is larger than the cost of the hits.
const HITS_MIN: u64 = 10;

/// Costs of one round, nanoseconds a run, net of measuring.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Costs {
    /// Measuring itself, by type of program.
    pub(super) empty: BTreeMap<String, f64>,
    /// For a packet with no journey, small messages.
    pub(super) miss: BTreeMap<String, f64>,
    /// The same with large ones.
    pub(super) bulk: BTreeMap<String, f64>,
    /// For a packet with a journey.
    pub(super) hit: BTreeMap<String, f64>,
    /// Runs and hits while requests were sent.
    pub(super) counts: BTreeMap<String, (u64, u64)>,
    /// Runs while small messages were sent.
    miss_runs: BTreeMap<String, u64>,
    /// Of all hooks, for one message: the runs for its own packet.
    pub(super) message: Option<f64>,
    /// The same by part.
    pub(super) parts: BTreeMap<Part, f64>,
    /// The same with the packets between messages.
    pub(super) message_and_rest: Option<f64>,
    /// Of all hooks, for one exchange whose request is left out.
    pub(super) left_out: Option<f64>,
}

impl Costs {
    /// The costs of one round.
    ///
    /// # Errors
    /// When an empty program did not run, or a mix has too many hits or too few messages.
    pub(super) fn of(chat: &Snapshot, bulk: &Snapshot, requests: &Snapshot) -> Result<Self> {
        let mut costs = Self {
            miss: misses(chat)?,
            bulk: misses(bulk)?,
            ..Self::default()
        };
        let (mut own, mut all) = (0.0, 0.0);
        for (hook, runs) in &requests.programs {
            let hits = requests.counters.get(hook).copied().unwrap_or(0);
            costs.counts.insert(hook.clone(), (runs.runs, hits));
            let chat_runs = chat.programs.get(hook).map_or(0, |runs| runs.runs);
            costs.miss_runs.insert(hook.clone(), chat_runs);
            if runs.runs < FEWEST_RUNS {
                continue;
            }
            let total = net_ns(hook, *runs, requests)?;
            all += total;
            if hits < FEWEST_RUNS || hits * 100 < runs.runs * HITS_MIN {
                continue;
            }
            let misses = runs.runs.saturating_sub(hits) as f64;
            let miss = costs.miss.get(hook).copied().unwrap_or(0.0);
            let of_hits = total - misses * miss;
            own += of_hits;
            *costs.parts.entry(Part::of(hook)).or_default() += of_hits;
            costs.hit.insert(hook.clone(), of_hits / hits as f64);
        }
        let opened = requests.counters.get("opened").copied().unwrap_or(0);
        ensure!(opened >= FEWEST_RUNS, "only {opened} messages were seen");
        costs.message = Some(own / opened as f64);
        for part in costs.parts.values_mut() {
            *part /= opened as f64;
        }
        costs.message_and_rest = Some(all / opened as f64);
        for (kind, empty) in &requests.empty {
            if empty.runs >= FEWEST_RUNS {
                costs.empty.insert(kind.clone(), empty_ns(kind, requests)?);
            }
        }
        Ok(costs)
    }

    /// Adds the hooks for what arrives from outside of the node, from mixes of such traffic.
    ///
    /// # Errors
    /// As [`Self::of`]; also when nothing arrived.
    pub(super) fn add_arrivals(&mut self, chat: &Snapshot, requests: &Snapshot) -> Result<()> {
        let from_outside = Self::of(chat, &Snapshot::default(), requests)?;
        let is_arrival = |hook: &str| Part::of(hook) == Part::Arrival;
        let here = |of: BTreeMap<String, f64>| of.into_iter().filter(|(hook, _)| is_arrival(hook));
        ensure!(
            from_outside.hit.keys().any(|hook| is_arrival(hook)),
            "no message was seen to arrive from outside of the node"
        );
        self.miss.extend(here(from_outside.miss));
        self.hit.extend(here(from_outside.hit));
        let missing = |kind: &String| !self.empty.contains_key(kind);
        let empty: Vec<_> = from_outside
            .empty
            .into_iter()
            .filter(|(kind, _)| missing(kind))
            .collect();
        self.empty.extend(empty);
        for (hook, counts) in from_outside.counts {
            if is_arrival(&hook) {
                let runs = from_outside.miss_runs.get(&hook).copied().unwrap_or(0);
                self.miss_runs.insert(hook.clone(), runs);
                self.counts.insert(hook, counts);
            }
        }
        Ok(())
    }

    /// Adds the cost of an exchange that is left out.
    ///
    /// # Errors
    /// When too few requests were left out.
    pub(super) fn add_left_out(&mut self, mix: &Snapshot) -> Result<()> {
        self.left_out = Some(exchange_left_out(mix)?);
        Ok(())
    }

    /// The mean of all runs for packets with no journey, at the hooks that run for every packet.
    pub(super) fn mean_miss(&self) -> Option<f64> {
        let of = self
            .miss
            .iter()
            .filter(|(hook, _)| Part::of(hook).is_of_packets());
        mean(of.map(|(hook, cost)| (*cost, self.miss_runs.get(hook).copied().unwrap_or(0))))
    }

    /// The dearest of these hooks, for a packet with no journey.
    pub(super) fn worst_miss(&self) -> Option<f64> {
        worst(&self.miss, Part::is_of_packets)
    }

    /// The dearest hook of a part, for a packet with a journey.
    pub(super) fn worst_hit(&self, part: Part) -> Option<f64> {
        worst(&self.hit, |of| of == part)
    }

    /// The mean of all hits of the hooks of a part.
    pub(super) fn mean_hit(&self, part: Part) -> Option<f64> {
        let of = self.hit.iter().filter(|(hook, _)| Part::of(hook) == part);
        mean(of.map(|(hook, cost)| (*cost, self.counts.get(hook).map_or(0, |(_, hits)| *hits))))
    }
}

/// All runs while requests were left out, for each exchange.
fn exchange_left_out(mix: &Snapshot) -> Result<f64> {
    let count = mix.counters.get("left_out").copied().unwrap_or(0);
    ensure!(count >= FEWEST_RUNS, "only {count} requests were left out");
    let mut total = 0.0;
    for (hook, runs) in &mix.programs {
        if runs.runs >= FEWEST_RUNS {
            total += net_ns(hook, *runs, mix)?;
        }
    }
    Ok(total / count as f64)
}

/// The cost of a run by hook, in a mix in which no packet has a journey.
fn misses(mix: &Snapshot) -> Result<BTreeMap<String, f64>> {
    let mut costs = BTreeMap::new();
    for (hook, runs) in &mix.programs {
        if runs.runs < FEWEST_RUNS {
            continue;
        }
        let hits = mix.counters.get(hook).copied().unwrap_or(0);
        ensure!(
            hits * 100 <= runs.runs * MISSES_MAX_HITS,
            "{hits} of {} runs of {hook} are hits in a mix without messages",
            runs.runs
        );
        costs.insert(hook.clone(), net_ns(hook, *runs, mix)? / runs.runs as f64);
    }
    Ok(costs)
}

/// The time of these runs without the time that measuring them took.
fn net_ns(hook: &str, runs: Runs, mix: &Snapshot) -> Result<f64> {
    let measuring = empty_ns(kind(hook), mix)? * runs.runs as f64;
    Ok(runs.run_ns as f64 - measuring)
}

/// The mean time of an empty program's run in this mix.
fn empty_ns(kind: &str, mix: &Snapshot) -> Result<f64> {
    let empty = mix.empty.get(kind).copied().unwrap_or_default();
    ensure!(
        empty.runs >= FEWEST_RUNS,
        "the empty {kind} program ran {} times: there is nothing to subtract",
        empty.runs
    );
    Ok(empty.run_ns as f64 / empty.runs as f64)
}

fn worst(of: &BTreeMap<String, f64>, counts: impl Fn(Part) -> bool) -> Option<f64> {
    of.iter()
        .filter(|(hook, _)| counts(Part::of(hook)))
        .map(|(_, cost)| *cost)
        .max_by(f64::total_cmp)
}

fn mean(weighted: impl Iterator<Item = (f64, u64)> + Clone) -> Option<f64> {
    let weights: u64 = weighted.clone().map(|(_, weight)| weight).sum();
    let sum: f64 = weighted.map(|(cost, weight)| cost * weight as f64).sum();
    Some(sum / weights as f64).filter(|mean| mean.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(hook, runs, ns a run, hits)`; measuring takes 50 ns.
    fn mix(programs: &[(&str, u64, u64, u64)], opened: u64) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for kind in ["cgroup_skb", "tracing", "netfilter", "socket_filter"] {
            let runs = Runs {
                runs: 1000,
                run_ns: 50_000,
            };
            snapshot.empty.insert(kind.to_owned(), runs);
        }
        for (hook, runs, each_ns, hits) in programs {
            let of_hook = Runs {
                runs: *runs,
                run_ns: runs * each_ns,
            };
            snapshot.programs.insert((*hook).to_owned(), of_hook);
            snapshot.counters.insert((*hook).to_owned(), *hits);
        }
        snapshot.counters.insert("opened".to_owned(), opened);
        snapshot.counters.insert("left_out".to_owned(), opened);
        snapshot
    }

    #[test]
    fn hits_cost_what_misses_leave() {
        // A miss takes 20 ns and a hit 120, of which there are as many.
        let chat = mix(
            &[
                ("device_receive", 1000, 70, 0),
                ("cgroup_egress", 1000, 80, 0),
            ],
            0,
        );
        let requests = mix(
            &[
                ("device_receive", 2000, 120, 1000),
                ("cgroup_egress", 1000, 550, 1000),
                ("socket_close", 10, 500, 10),
                ("output_enter", 9000, 50, 300),
            ],
            1000,
        );
        let mut costs = Costs::of(&chat, &chat, &requests).unwrap();
        costs.add_left_out(&requests).unwrap();
        assert_eq!(costs.miss["device_receive"], 20.0);
        assert_eq!(costs.miss["cgroup_egress"], 30.0);
        assert_eq!(costs.hit["device_receive"], 120.0);
        assert_eq!(costs.hit["cgroup_egress"], 500.0);
        assert_eq!(costs.message, Some(620.0));
        assert_eq!(costs.message_and_rest, Some(640.0));
        // All its runs, because packets without a journey cannot be attributed.
        assert_eq!(costs.left_out, Some(640.0));
        let parts = BTreeMap::from([(Part::Opening, 500.0), (Part::Stamp, 120.0)]);
        assert_eq!(costs.parts, parts);
        assert_eq!(costs.mean_miss(), Some(25.0));
        assert_eq!(costs.worst_miss(), Some(30.0));
        assert_eq!(costs.mean_hit(Part::Stamp), Some(120.0));
        assert_eq!(costs.worst_hit(Part::Stamp), Some(120.0));
        assert_eq!(costs.mean_hit(Part::Read), None);
        assert!(!costs.hit.contains_key("socket_close"), "too few runs");
        assert!(!costs.hit.contains_key("output_enter"), "too few of them");
    }

    #[test]
    fn arrivals_come_from_other_mixes() {
        let inside = mix(&[("device_receive", 1000, 150, 1000)], 1000);
        let chat = mix(
            &[
                ("uplink_receive", 1000, 90, 0),
                ("device_receive", 1000, 60, 0),
            ],
            0,
        );
        let requests = mix(&[("uplink_receive", 1000, 650, 1000)], 1000);
        let mut costs = Costs::of(&mix(&[], 0), &mix(&[], 0), &inside).unwrap();
        costs.add_arrivals(&chat, &requests).unwrap();
        assert_eq!(
            costs.miss,
            BTreeMap::from([("uplink_receive".to_owned(), 40.0)])
        );
        assert_eq!(costs.hit["uplink_receive"], 600.0);
        assert_eq!(costs.counts["uplink_receive"], (1000, 1000));
        assert_eq!(costs.message, Some(100.0), "a message is of this node");
        assert!(
            costs.add_arrivals(&chat, &inside).is_err(),
            "nothing arrives"
        );
    }

    #[test]
    fn mixes_with_the_wrong_traffic_are_refused() {
        let chat = mix(&[("device_receive", 1000, 70, 0)], 0);
        let with_hits = mix(&[("device_receive", 1000, 70, 500)], 0);
        let requests = mix(&[("device_receive", 1000, 70, 1000)], 1000);
        assert!(Costs::of(&with_hits, &chat, &requests).is_err());
        assert!(Costs::of(&chat, &chat, &chat).is_err(), "no messages");
        let mut unmeasured = requests.clone();
        unmeasured.empty.clear();
        assert!(Costs::of(&chat, &chat, &unmeasured).is_err());
    }
}
