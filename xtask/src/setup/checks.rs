//! Whether this machine can run hopspan at all. In: facts about the kernel and its mounts. Out:
//! notes on what the kernel lacks, or the first reason why it cannot be, with the remedy. Changes
//! nothing.

use std::env;
use std::fs;

use anyhow::{Context, Result, bail};
use ebpf_toolchain::version::Version;

/// The oldest kernel that hopspan supports: bpf_link for cgroup programs, ring buffers, BTF of
/// modules and `bpf_probe_read_kernel` are all there, and it is the oldest long-term release in
/// use.
const OLDEST_KERNEL: Version = Version::new(5, 15, 0);

/// What newer kernels add, oldest first. Reads are not among it: where there is no sock_recv_length
/// tracepoint (6.3), tcp_rcv_space_adjust tells them.
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

/// What the checks look at.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// `linux`, `macos`, ...
    os: String,
    /// `uname -r`.
    kernel_release: String,
    /// Whether the kernel publishes its types.
    has_btf: bool,
    /// `/proc/self/mounts`.
    mounts: String,
}

impl Facts {
    /// Looks at this machine.
    ///
    /// # Errors
    /// When /proc is not there.
    pub(crate) fn gather() -> Result<Self> {
        let os = env::consts::OS.to_owned();
        if os != "linux" {
            return Ok(Self {
                os,
                kernel_release: String::new(),
                has_btf: false,
                mounts: String::new(),
            });
        }
        let read = |path: &str| {
            fs::read_to_string(path).with_context(|| format!("read {path}: is /proc mounted?"))
        };
        Ok(Self {
            os,
            kernel_release: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            has_btf: fs::metadata("/sys/kernel/btf/vmlinux").is_ok_and(|file| file.len() > 0),
            mounts: read("/proc/self/mounts")?,
        })
    }
}

/// Checks that hopspan can run here, and says what a newer kernel would add.
///
/// # Errors
/// The first thing that is missing, with the remedy.
pub(crate) fn check(facts: &Facts) -> Result<Vec<String>> {
    if facts.os != "linux" {
        bail!(
            "this is {}, not linux\n  hopspan traces the Linux kernel: use a Linux machine or virtual machine",
            facts.os
        );
    }
    let release = &facts.kernel_release;
    let Some(kernel) = Version::parse(release) else {
        bail!(
            "kernel release {release:?} is not a version number\n  hopspan needs {OLDEST_KERNEL} or newer"
        );
    };
    if kernel < OLDEST_KERNEL {
        bail!(
            "kernel {release} is too old\n  boot {OLDEST_KERNEL} or newer; 6.4 or newer shows all hops:{}",
            later_than(kernel)
                .iter()
                .map(|line| format!("\n  {line}"))
                .collect::<String>()
        );
    }
    if !facts.has_btf {
        bail!(
            "the kernel has no type information: /sys/kernel/btf/vmlinux is not there\n  \
             boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the stock kernels of Debian, Ubuntu and Fedora are"
        );
    }
    if cgroup2_mount(&facts.mounts).is_none() {
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

/// Where cgroup v2 is mounted, by `/proc/self/mounts`.
fn cgroup2_mount(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let mount_point = fields.nth(1)?;
        (fields.next()? == "cgroup2").then_some(mount_point)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kernel_release: &str) -> Facts {
        Facts {
            os: "linux".to_owned(),
            kernel_release: kernel_release.to_owned(),
            has_btf: true,
            mounts: "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_new_kernel_lacks_nothing() {
        assert_eq!(
            check(&facts("6.18.5-cloud-amd64")).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(check(&facts("6.4.0")).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_older_kernel_is_told_what_it_lacks() {
        let lacks = |release: &str| check(&facts(release)).unwrap().join("\n");
        let debian_12 = lacks("6.1.0-49-amd64");
        assert!(
            debian_12.starts_with("kernel 6.4 adds netfilter links"),
            "{debian_12}"
        );
        assert_eq!(lacks("6.3.9"), debian_12);
        let ubuntu_22 = lacks("5.15.0-130-generic");
        assert!(
            ubuntu_22.starts_with("kernel 5.17 adds bpf_loop") && ubuntu_22.ends_with(&debian_12),
            "{ubuntu_22}"
        );
    }

    #[test]
    fn each_missing_thing_is_one_error_with_its_remedy() {
        let good = facts("6.18.5");
        let cases = [
            (
                Facts {
                    os: "macos".to_owned(),
                    ..good.clone()
                },
                "this is macos",
                "use a Linux machine",
            ),
            (
                facts("5.10.0-28-amd64"),
                "kernel 5.10.0-28-amd64 is too old",
                "boot 5.15.0 or newer",
            ),
            (
                facts("unknown"),
                "kernel release \"unknown\"",
                "5.15.0 or newer",
            ),
            (
                Facts {
                    has_btf: false,
                    ..good.clone()
                },
                "/sys/kernel/btf/vmlinux is not there",
                "CONFIG_DEBUG_INFO_BTF",
            ),
            (
                Facts {
                    mounts: "cgroup /sys/fs/cgroup/memory cgroup rw 0 0\n".to_owned(),
                    ..good
                },
                "cgroup v2 is not mounted",
                "mount -t cgroup2",
            ),
        ];
        for (facts, what, remedy) in cases {
            let error = check(&facts).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn a_hybrid_hierarchy_counts() {
        let mounts =
            "tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(cgroup2_mount(mounts), Some("/sys/fs/cgroup/unified"));
    }
}
