//! A kernel series, as in `6.1`, and the newest stock kernel of it among package names.
//! In: text. Out: numbers and names. Runs nothing.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};

/// The first two numbers of a kernel release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Series {
    major: u32,
    minor: u32,
}

impl Series {
    /// The newest of Debian's kernel packages of this series, without flavours: the cloud flavour
    /// has no 9p file system, and the real-time flavour is another kernel.
    pub(super) fn newest<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        let release = |name: &'n str| {
            let release = name
                .strip_prefix("linux-image-")?
                .strip_suffix("-amd64")?
                .strip_prefix(&format!("{self}."))?;
            let is_flavoured = ["-cloud", "-rt"]
                .iter()
                .any(|flavour| release.ends_with(flavour));
            (!is_flavoured).then(|| numbers(release))
        };
        names
            .into_iter()
            .filter_map(|name| Some((release(name)?, name)))
            .max()
            .map(|(_, name)| name)
    }
}

/// The numbers in a release, in which `6.12.9` comes before `6.12.117`.
fn numbers(release: &str) -> Vec<u64> {
    release
        .split(|char: char| !char.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

impl FromStr for Series {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        };
        numbers().with_context(|| format!("{text:?} is no kernel series such as 6.1"))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_plain_kernel_of_a_series() {
        let names = [
            "linux-image-6.1.0-9-amd64",
            "linux-image-6.1.0-56-amd64",
            "linux-image-6.1.0-57-cloud-amd64",
            "linux-image-6.1.0-57-rt-amd64",
            "linux-image-6.1.0-58-amd64-unsigned",
            "linux-image-6.12-amd64",
            "linux-image-6.12.9+bpo-amd64",
            "linux-image-6.12.117+deb12-amd64",
            "linux-image-6.12.111+deb12-amd64",
        ];
        let cases = [
            ("6.1", Some("linux-image-6.1.0-56-amd64")),
            ("6.12", Some("linux-image-6.12.117+deb12-amd64")),
            ("6.18", None),
        ];
        for (series, expected) in cases {
            let series: Series = series.parse().unwrap();
            assert_eq!(series.newest(names), expected, "{series}");
        }
    }

    #[test]
    fn a_series_is_two_numbers() {
        for bad in ["6", "6.", "6.x", "6.1.2", ""] {
            assert!(bad.parse::<Series>().is_err(), "{bad}");
        }
    }
}
