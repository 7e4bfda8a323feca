//! Whether this machine can run hopspan at all. In: facts about the kernel and its mounts. Out:
//! what the kernel lacks, or the first reason why hopspan cannot run, with the remedy. Changes
//! nothing.

use std::fs;

use anyhow::{Context, Result, bail};
use ebpf_toolchain::version::Version;

/// The oldest kernel that hopspan supports, and the oldest long-term release in use: it has
/// bpf_link for cgroup programs, ring buffers, BTF of modules and `bpf_probe_read_kernel`.
const OLDEST_KERNEL: Version = Version::new(5, 15, 0);

/// What newer kernels add, oldest first. The tracepoint sock_recv_length (6.3) is not among it:
/// where it is missing, tcp_rcv_space_adjust reports reads.
const LATER: [(Version, &str); 2] = [
    (
        Version::new(5, 17, 0),
        "bpf_loop and the reasons of kfree_skb: HTTP/2 and gRPC, and dropped packets",
    ),
    (
        Version::new(6, 4, 0),
        "netfilter links: the netfilter and route hops, and kube-proxy's choice of pod",
    ),
];

/// What the checks read.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// `uname -r`.
    kernel_release: String,
    /// Whether the kernel publishes its types.
    has_btf: bool,
    /// `/proc/self/mounts`.
    mounts: String,
}

impl Facts {
    /// Those of this machine.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub(crate) fn gather() -> Result<Self> {
        let read = |path: &str| {
            fs::read_to_string(path).with_context(|| format!("read {path}: is /proc mounted?"))
        };
        Ok(Self {
            kernel_release: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            has_btf: fs::metadata("/sys/kernel/btf/vmlinux").is_ok_and(|file| file.len() > 0),
            mounts: read("/proc/self/mounts")?,
        })
    }
}

/// Checks that hopspan can run here; returns what a newer kernel would add.
///
/// # Errors
/// The first thing that is missing, with the remedy.
pub(crate) fn check(facts: &Facts) -> Result<Vec<String>> {
    let release = &facts.kernel_release;
    let Some(kernel) = Version::parse(release) else {
        bail!(
            "kernel release {release:?} is not a version number\n  hopspan needs {OLDEST_KERNEL} or newer"
        );
    };
    if kernel < OLDEST_KERNEL {
        let later = later_than(kernel).join("\n  ");
        bail!(
            "kernel {release} is too old\n  \
             boot {OLDEST_KERNEL} or newer; 6.4 or newer shows all hops:\n  {later}"
        );
    }
    if !facts.has_btf {
        bail!(
            "the kernel has no type information: /sys/kernel/btf/vmlinux is missing\n  \
             boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the stock kernels of Debian, Ubuntu and Fedora are"
        );
    }
    if !has_cgroup2(&facts.mounts) {
        bail!(
            "cgroup v2 is not mounted\n  mount it: mount -t cgroup2 none /sys/fs/cgroup\n  \
             or boot with systemd.unified_cgroup_hierarchy=1"
        );
    }
    Ok(later_than(kernel))
}

/// What a kernel newer than `kernel` would add, one line each.
fn later_than(kernel: Version) -> Vec<String> {
    let later = LATER.iter().filter(|(since, _)| kernel < *since);
    later
        .map(|(since, what)| format!("kernel {}.{} adds {what}", since.major, since.minor))
        .collect()
}

/// Whether cgroup v2 is mounted, by `/proc/self/mounts`.
fn has_cgroup2(mounts: &str) -> bool {
    let mut mounts = mounts.lines();
    mounts.any(|line| line.split(' ').nth(2) == Some("cgroup2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kernel_release: &str) -> Facts {
        Facts {
            kernel_release: kernel_release.to_owned(),
            has_btf: true,
            // A hybrid hierarchy counts.
            mounts: "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n\
                     cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_new_kernel_lacks_nothing() {
        for release in ["6.18.5-cloud-amd64", "6.4.0"] {
            assert!(check(&facts(release)).unwrap().is_empty(), "{release}");
        }
    }

    #[test]
    fn what_an_older_kernel_lacks() {
        let lacks = |release: &str| check(&facts(release)).unwrap().join("\n");
        let debian_12 = lacks("6.1.0-49-amd64");
        let start = "kernel 6.4 adds netfilter links";
        assert!(debian_12.starts_with(start), "{debian_12}");
        assert_eq!(lacks("6.3.9"), debian_12);
        let ubuntu_22 = lacks("5.15.0-130-generic");
        assert!(
            ubuntu_22.starts_with("kernel 5.17 adds bpf_loop") && ubuntu_22.ends_with(&debian_12),
            "{ubuntu_22}"
        );
    }

    #[test]
    fn each_missing_thing_is_one_error_with_its_remedy() {
        let check = |facts: &Facts, what: &str, remedy: &str| {
            let error = check(facts).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(remedy), "{error}");
        };
        let old = "kernel 5.10.0-28-amd64 is too old";
        check(&facts("5.10.0-28-amd64"), old, "boot 5.15.0 or newer");
        let unclear = "kernel release \"unknown\"";
        check(&facts("unknown"), unclear, "5.15.0 or newer");
        let mut facts = facts("6.18.5");
        facts.mounts = "cgroup /sys/fs/cgroup/memory cgroup rw 0 0\n".to_owned();
        check(&facts, "cgroup v2 is not mounted", "mount -t cgroup2");
        facts.has_btf = false;
        let missing = "/sys/kernel/btf/vmlinux is missing";
        check(&facts, missing, "CONFIG_DEBUG_INFO_BTF");
    }
}
