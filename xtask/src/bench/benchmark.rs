//! The benchmarks. In: a name. Out: what a benchmark measures, and where it runs.

use clap::ValueEnum;

use crate::value_enum;

/// A benchmark. They run in this order: short ones first, so that failures show early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Time of each pure stage and of the whole pipeline on the recording in the repository, and
    /// allocations per exchange; needs no root
    Stages,
    /// Time from exec to all hooks attached, memory of an idle agent, bytes of kernel maps
    Start,
    /// Requests a second through nginx behind a ClusterIP, all cores busy, with and without
    /// hopspan, tcpdump and iptables TRACE
    Worst,
    /// Latency of HotROD at a fixed rate below saturation, open loop, with and without hopspan
    Realistic,
    /// Kernel run time of each program, net of measuring it: packets without a journey, stamps,
    /// openings, closings, and all of one message
    Hooks,
    /// The agent's processor time for each exchange, exported and not; spans a second, bytes a
    /// span, memory
    Userspace,
    /// Whether anything is lost at 5,000 exported and at 30,000 unexported exchanges a second
    Loss,
    /// The agent's processor time and memory with 1 to 200 pods, 10 to 5,000 services, 1 to 50,000
    /// connections
    Scale,
    /// Netfilter's time for a SYN with 10 to 5,000 services, kube-proxy in iptables and in nftables
    /// mode; makes a plot
    Rules,
}

impl Benchmark {
    /// All, in their order.
    pub(super) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name on the command line and in results.
    pub(super) fn name(self) -> String {
        value_enum::name(&self)
    }

    /// The name, and what the benchmark measures.
    pub(super) fn line(self) -> String {
        format!("{:<10} {}", self.name(), value_enum::help(&self))
    }

    /// Whether it needs the lab, and therefore root.
    pub(super) fn needs_lab(self) -> bool {
        self != Self::Stages
    }
}
