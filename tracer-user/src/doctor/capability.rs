//! Checks the capabilities of this process that `hopspan run` needs.
//!
//! In: /proc/self/status. Out: a check for each capability. What fails without one was measured by
//! running the agent without it; deploy/README.md has the table.

use procfs::process::Process;

use crate::attach::capability::{BPF, Capability, Effective, NET_ADMIN, PERFMON};

use super::check::Check;

/// A capability, and what fails without it.
struct Needed {
    capability: Capability,
    lost: &'static str,
}

const NET_RAW: Capability = Capability {
    name: "CAP_NET_RAW",
    bit: 13,
};
const SYS_PTRACE: Capability = Capability {
    name: "CAP_SYS_PTRACE",
    bit: 19,
};
const NEEDED: [Needed; 5] = [
    Needed {
        capability: BPF,
        lost: "everything: bpf(BPF_MAP_CREATE) and bpf(BPF_PROG_LOAD) are refused",
    },
    Needed {
        capability: PERFMON,
        lost: "everything: the verifier refuses programs that read kernel memory",
    },
    Needed {
        capability: NET_ADMIN,
        lost: "everything: programs cannot be attached to a cgroup or to netfilter, and rules cannot be read",
    },
    Needed {
        capability: NET_RAW,
        lost: "messages from other nodes: packet sockets on uplinks are refused",
    },
    Needed {
        capability: SYS_PTRACE,
        lost: "the network namespaces of pods, and so, without the Kubernetes API, the pod that has an address",
    },
];

/// One check for each capability.
pub(super) fn checks() -> Vec<Check> {
    let status = Process::myself().and_then(|process| process.status());
    match status {
        Ok(status) => judge(status.capeff),
        Err(error) => vec![Check::missing(
            "capabilities",
            format!("/proc/self/status cannot be read: {error}"),
            "nothing by itself: hooks that a missing capability prevents are listed below",
            "mount /proc",
        )],
    }
}

fn judge(effective: u64) -> Vec<Check> {
    let judge = |needed: &Needed| {
        let name = needed.capability.name;
        match needed.capability.judge(effective) {
            Effective::Yes => Check::good(name, "effective"),
            Effective::BySysAdmin => Check::good(name, "by CAP_SYS_ADMIN"),
            Effective::No => Check::missing(
                name,
                "not effective",
                needed.lost,
                "run as root, or add it to the container's securityContext.capabilities.add",
            ),
        }
    };
    NEEDED.iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn check(effective: u64, expected: [State; 5]) {
        let states: Vec<State> = judge(effective).iter().map(|check| check.state).collect();
        assert_eq!(states, expected, "{effective:#x}");
    }

    #[test]
    fn each_capability_is_judged_by_its_own_bit() {
        let (good, missing) = (State::Good, State::Missing);
        check(0, [missing; 5]);
        check(u64::MAX, [good; 5]);
        check(1 << 39 | 1 << 38 | 1 << 19 | 1 << 13 | 1 << 12, [good; 5]);
        check(1 << 39, [good, missing, missing, missing, missing]);
        check(1 << 12, [missing, missing, good, missing, missing]);
        check(1 << 13, [missing, missing, missing, good, missing]);
        check(1 << 19, [missing, missing, missing, missing, good]);
        check(1 << 21, [good, good, missing, missing, missing]);
    }
}
