//! The capabilities of this process that loading and attaching need.
//!
//! In: /proc/self/status. Out: whether each is effective.

use procfs::process::Process;

/// A capability (linux/capability.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its name.
    pub name: &'static str,
    /// Its bit in `CapEff`.
    pub bit: u8,
}

/// bpf(BPF_MAP_CREATE) and bpf(BPF_PROG_LOAD).
pub const BPF: Capability = Capability {
    name: "CAP_BPF",
    bit: 39,
};
/// Programs that read kernel memory.
pub const PERFMON: Capability = Capability {
    name: "CAP_PERFMON",
    bit: 38,
};
/// Links to cgroups and netfilter.
pub const NET_ADMIN: Capability = Capability {
    name: "CAP_NET_ADMIN",
    bit: 12,
};
const SYS_ADMIN: Capability = Capability {
    name: "CAP_SYS_ADMIN",
    bit: 21,
};

/// The capabilities without which nothing is seen.
const NECESSARY: [Capability; 3] = [BPF, PERFMON, NET_ADMIN];

/// How a process has a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effective {
    /// By itself.
    Yes,
    /// By CAP_SYS_ADMIN.
    BySysAdmin,
    /// Not at all.
    No,
}

impl Capability {
    /// Judges it by the bits of `CapEff`.
    pub fn judge(self, effective: u64) -> Effective {
        let has = |capability: Self| effective & (1 << capability.bit) != 0;
        if has(self) {
            Effective::Yes
        // kernel: bpf_capable() and perfmon_capable() accept CAP_SYS_ADMIN too; checks of the
        // others do not.
        } else if matches!(self, BPF | PERFMON) && has(SYS_ADMIN) {
            Effective::BySysAdmin
        } else {
            Effective::No
        }
    }
}

/// The names of the necessary capabilities that this process lacks; none if that is unknown.
pub(super) fn missing() -> Vec<&'static str> {
    let status = Process::myself().and_then(|process| process.status());
    let effective = status.map_or(u64::MAX, |status| status.capeff);
    NECESSARY
        .into_iter()
        .filter(|capability| capability.judge(effective) == Effective::No)
        .map(|capability| capability.name)
        .collect()
}
