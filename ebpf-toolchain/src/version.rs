//! Versions as the tools print them. In: text. Out: three numbers that compare. Pre-release parts
//! are ignored.

use std::fmt;

/// `major.minor.patch`; a missing number is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl Version {
    /// A version from its numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads the version at the start of `text`: `1.97.0-nightly`, `22.1`, `6.18.5-1~deb12u2`. The
    /// rest is ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let mut numbers = text[..end].split('.');
        let major = numbers.next()?.parse().ok()?;
        let mut rest = || {
            numbers
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
        };
        Some(Self {
            major,
            minor: rest(),
            patch: rest(),
        })
    }

    /// Reads the version that follows `label` anywhere in `text`, as in `LLVM version: 22.1.4`.
    #[must_use]
    pub fn after(label: &str, text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(label)?;
        Self::parse(rest.trim_start())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_tools_print_them() {
        let cases = [
            ("1.97.0-nightly", Some(Version::new(1, 97, 0))),
            ("22.1", Some(Version::new(22, 1, 0))),
            ("22", Some(Version::new(22, 0, 0))),
            ("6.18.5-1~deb12u2", Some(Version::new(6, 18, 5))),
            ("6.1.0-49-amd64", Some(Version::new(6, 1, 0))),
            ("", None),
            ("nightly", None),
            (".5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_version_behind_its_label() {
        let rustc = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(
            Version::after("LLVM version:", rustc),
            Some(Version::new(22, 1, 8))
        );
        assert_eq!(
            Version::after("\nrelease:", rustc),
            Some(Version::new(1, 96, 0))
        );
        assert_eq!(
            Version::after("LLVM version ", "Debian LLVM version 22.1.8\n"),
            Some(Version::new(22, 1, 8))
        );
        assert_eq!(Version::after("host:", rustc), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::new(1, 100, 0) > Version::new(1, 95, 9));
        assert!(Version::new(22, 0, 0) < Version::new(22, 1, 4));
    }
}
