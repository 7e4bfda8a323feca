//! The hooks that the running kernel lacks, by its version alone.
//!
//! In: the kernel's release. Out: exactly the hooks that the agent must report as missing, so that
//! a hook which is missing for any other reason fails a test.

use std::{collections::BTreeSet, fs};

/// A kernel version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    release: String,
    version: (u32, u32),
}

impl Kernel {
    /// The kernel that the tests run on.
    ///
    /// # Panics
    /// When it cannot be read from /proc: no test of this crate has a meaning then.
    pub fn running() -> Self {
        let path = "/proc/sys/kernel/osrelease";
        let release =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("read {path}: {error}"));
        Self::parse(release.trim())
            .unwrap_or_else(|| panic!("kernel release {release:?} is not a version"))
    }

    fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|char: char| !char.is_ascii_digit());
        let mut number = || numbers.next()?.parse().ok();
        Some(Self {
            version: (number()?, number()?),
            release: release.to_owned(),
        })
    }

    /// As `uname -r` prints it.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether programs can be attached to netfilter's hooks: BPF_PROG_TYPE_NETFILTER, Linux 6.4
    /// and later.
    pub fn has_netfilter_links(&self) -> bool {
        self.version >= (6, 4)
    }

    /// The names of the hooks that cannot be attached. Every other hook has a program for each
    /// kernel that hopspan supports.
    pub fn lacks(&self) -> BTreeSet<String> {
        let netfilter = ["prerouting", "input", "forward", "output", "postrouting"]
            .into_iter()
            .flat_map(|hook| ["enter", "leave"].map(|edge| format!("{hook}_{edge}")));
        let drops = ["packet_drop".to_owned()];
        netfilter
            .filter(|_| !self.has_netfilter_links())
            // kfree_skb has a reason from Linux 5.17.
            .chain(drops.into_iter().filter(|_| self.version < (5, 17)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_kernels_lack_more() {
        let cases = [
            ("5.15.0-130-generic", 11),
            ("6.1.0-56-amd64", 10),
            ("6.3.13", 10),
            ("6.4.0", 0),
            ("6.12.117+deb12-amd64", 0),
            ("7.0.0-rc1", 0),
        ];
        for (release, lacking) in cases {
            let lacks = Kernel::parse(release).expect(release).lacks();
            assert_eq!(lacks.len(), lacking, "{release}: {lacks:?}");
        }
        assert_eq!(Kernel::parse("unknown"), None);
    }
}
