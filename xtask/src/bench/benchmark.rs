//! What there is to measure. In: a name. Out: what it measures, and where it runs.

use clap::ValueEnum;

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    Stages,
    Start,
    Worst,
    Realistic,
    Hooks,
    Userspace,
    Loss,
    Scale,
    Rules,
}

impl Benchmark {
    /// In the order in which they run: short ones first, so that what is amiss shows early.
    pub(super) const ALL: [Self; 9] = [
        Self::Stages,
        Self::Start,
        Self::Worst,
        Self::Realistic,
        Self::Hooks,
        Self::Userspace,
        Self::Loss,
        Self::Scale,
        Self::Rules,
    ];

    /// The name on the command line and in results.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stages => "stages",
            Self::Start => "start",
            Self::Worst => "worst",
            Self::Realistic => "realistic",
            Self::Hooks => "hooks",
            Self::Userspace => "userspace",
            Self::Loss => "loss",
            Self::Scale => "scale",
            Self::Rules => "rules",
        }
    }

    /// What it measures, in one sentence.
    pub(super) const fn measures(self) -> &'static str {
        match self {
            Self::Stages => {
                "time of each pure stage and of the whole pipeline on the recording in the repository, and allocations per exchange; needs no root"
            }
            Self::Start => {
                "time from exec to all hooks attached, memory of an idle agent, bytes of kernel maps"
            }
            Self::Worst => {
                "requests a second through nginx behind a ClusterIP, all cores busy, with and without hopspan, tcpdump and iptables TRACE"
            }
            Self::Realistic => {
                "latency of HotROD at a fixed rate below saturation, open loop, with and without hopspan"
            }
            Self::Hooks => {
                "kernel run time of each program, net of measuring it: packets without a journey, stamps, openings, closings, and all of one message"
            }
            Self::Userspace => {
                "the agent's processor time for each exchange, exported and not; spans a second, bytes a span, memory"
            }
            Self::Loss => {
                "whether anything is lost at 5,000 exported and at 30,000 unexported exchanges a second"
            }
            Self::Scale => {
                "the agent's processor time and memory with 1 to 200 pods, 10 to 5,000 services, 1 to 50,000 connections"
            }
            Self::Rules => {
                "netfilter's time for a SYN with 10 to 5,000 services, kube-proxy in iptables and in nftables mode; makes a plot"
            }
        }
    }

    /// Whether it needs the lab, and so root.
    pub(super) fn needs_lab(self) -> bool {
        self != Self::Stages
    }
}

/// A line for each.
pub(super) fn list() -> String {
    let line = |of: Benchmark| format!("{:<10} {}\n", of.name(), of.measures());
    Benchmark::ALL.map(line).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for benchmark in Benchmark::ALL {
            let parsed = Benchmark::from_str(benchmark.name(), false);
            assert_eq!(parsed, Ok(benchmark));
        }
        assert_eq!(Benchmark::value_variants().len(), Benchmark::ALL.len());
        assert_eq!(list().lines().count(), Benchmark::ALL.len());
    }
}
