//! From sums to what one run costs. In: the sums of three mixes of one round. Out: nanoseconds, by
//! hook and by what the packet was. Pure.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::snapshot::{Runs, Snapshot};

/// Runs below which a mean says nothing.
const FEWEST_RUNS: u64 = 200;
/// Hits above which, of a hundred runs, a mix is not without journeys.
const MISSES_MAX_HITS: u64 = 2;

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
    /// Of all hooks, for one message: what its own packet costs.
    pub(super) message: Option<f64>,
    /// The same with the packets that carry no message between them.
    pub(super) message_and_rest: Option<f64>,
    /// Of all hooks, for one exchange whose request is left out.
    pub(super) left_out: Option<f64>,
}

impl Costs {
    /// Of one round.
    ///
    /// # Errors
    /// When an empty program did not run, or a mix is not what it should be.
    pub(super) fn of(
        chat: &Snapshot,
        bulk: &Snapshot,
        requests: &Snapshot,
        left_out: &Snapshot,
    ) -> Result<Self> {
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
            if hits < FEWEST_RUNS {
                continue;
            }
            let misses = runs.runs.saturating_sub(hits) as f64;
            let miss = costs.miss.get(hook).copied().unwrap_or(0.0);
            let of_hits = total - misses * miss;
            own += of_hits;
            costs.hit.insert(hook.clone(), of_hits / hits as f64);
        }
        let opened = requests.counters.get("opened").copied().unwrap_or(0);
        ensure!(opened >= FEWEST_RUNS, "only {opened} messages were seen");
        costs.message = Some(own / opened as f64);
        costs.message_and_rest = Some(all / opened as f64);
        costs.left_out = Some(exchange_left_out(left_out)?);
        for kind in requests.empty.keys() {
            costs.empty.insert(kind.clone(), empty_ns(kind, requests)?);
        }
        Ok(costs)
    }

    /// Of all runs for packets with no journey, but those of some hooks.
    pub(super) fn mean_miss(&self, but: &[&str]) -> Option<f64> {
        let of = self
            .miss
            .iter()
            .filter(|(hook, _)| !but.contains(&hook.as_str()));
        mean(of.map(|(hook, cost)| (*cost, self.miss_runs.get(hook).copied().unwrap_or(0))))
    }

    /// Of all hits of some hooks.
    pub(super) fn mean_hit(&self, counts: impl Fn(&str) -> bool) -> Option<f64> {
        let of = self.hit.iter().filter(|(hook, _)| counts(hook));
        mean(of.map(|(hook, cost)| (*cost, self.counts.get(hook).map_or(0, |(_, hits)| *hits))))
    }
}

/// All runs while requests were left out, for each of them.
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

/// A run's cost by hook, where no packet has a journey.
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

/// The time of these runs without what measuring them took.
fn net_ns(hook: &str, runs: Runs, mix: &Snapshot) -> Result<f64> {
    let measuring = empty_ns(kind(hook), mix)? * runs.runs as f64;
    Ok(runs.run_ns as f64 - measuring)
}

/// What an empty program's run takes, in this mix.
fn empty_ns(kind: &str, mix: &Snapshot) -> Result<f64> {
    let empty = mix.empty.get(kind).copied().unwrap_or_default();
    ensure!(
        empty.runs >= FEWEST_RUNS,
        "the empty {kind} program ran {} times: there is nothing to subtract",
        empty.runs
    );
    Ok(empty.run_ns as f64 / empty.runs as f64)
}

/// The type of the program at a hook.
fn kind(hook: &str) -> &'static str {
    match hook {
        "cgroup_egress" | "cgroup_ingress" => "cgroup_skb",
        _ if hook.ends_with("_enter") || hook.ends_with("_leave") => "netfilter",
        _ => "tracing",
    }
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
        for kind in ["cgroup_skb", "tracing", "netfilter"] {
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
    fn hits_are_told_from_misses() {
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
            ],
            1000,
        );
        let costs = Costs::of(&chat, &chat, &requests, &requests).unwrap();
        assert_eq!(costs.miss["device_receive"], 20.0);
        assert_eq!(costs.miss["cgroup_egress"], 30.0);
        assert_eq!(costs.hit["device_receive"], 120.0);
        assert_eq!(costs.hit["cgroup_egress"], 500.0);
        assert_eq!(costs.message, Some(620.0));
        assert_eq!(costs.message_and_rest, Some(640.0));
        // All its runs: no more than that is known of a packet without a journey.
        assert_eq!(costs.left_out, Some(640.0 + 4.5));
        assert_eq!(costs.mean_miss(&[]), Some(25.0));
        assert_eq!(costs.mean_miss(&["cgroup_egress"]), Some(20.0));
        assert_eq!(costs.mean_hit(|hook| hook == "device_receive"), Some(120.0));
        assert_eq!(costs.mean_hit(|_| false), None);
        assert!(!costs.hit.contains_key("socket_close"));
    }

    #[test]
    fn a_mix_that_is_not_what_it_should_be_is_refused() {
        let chat = mix(&[("device_receive", 1000, 70, 0)], 0);
        let with_hits = mix(&[("device_receive", 1000, 70, 500)], 0);
        let requests = mix(&[("device_receive", 1000, 70, 1000)], 1000);
        assert!(Costs::of(&with_hits, &chat, &requests, &requests).is_err());
        assert!(
            Costs::of(&chat, &chat, &chat, &requests).is_err(),
            "no messages"
        );
        let mut unmeasured = requests.clone();
        unmeasured.empty.clear();
        assert!(Costs::of(&chat, &chat, &unmeasured, &requests).is_err());
    }

    #[test]
    fn each_hook_has_a_type() {
        assert_eq!(kind("cgroup_egress"), "cgroup_skb");
        assert_eq!(kind("postrouting_leave"), "netfilter");
        assert_eq!(kind("packet_drop"), "tracing");
    }
}
