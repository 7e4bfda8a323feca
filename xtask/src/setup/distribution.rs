//! Which distribution this is, by os-release(5). In: the file's text. Out: its name, and whether
//! apt is its package manager.

use std::fs;

/// What os-release says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// Its name for people.
    pub(crate) name: String,
    /// `ID` and all of `ID_LIKE`, as in `ubuntu`, `debian`.
    families: Vec<String>,
}

impl Distribution {
    /// Looks at this machine; a machine that does not say is of no family.
    pub(crate) fn of_this_machine() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| fs::read_to_string(path).ok());
        Self::parse(&text.unwrap_or_default())
    }

    /// Reads os-release(5): lines of `NAME=value`, the value possibly quoted.
    fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim_matches(|c| c == '"' || c == '\'').to_owned())
        };
        let families = [value("ID"), value("ID_LIKE")].into_iter().flatten();
        Self {
            name: value("PRETTY_NAME")
                .or_else(|| value("ID"))
                .unwrap_or_else(|| "an unknown distribution".to_owned()),
            families: families
                .flat_map(|ids| {
                    ids.split_whitespace()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .collect(),
        }
    }

    /// Whether packages come by apt and have Debian's names.
    pub(crate) fn is_debian_like(&self) -> bool {
        self.families
            .iter()
            .any(|family| family == "debian" || family == "ubuntu")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_by_their_own_words() {
        let cases = [
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
                "Debian GNU/Linux 12 (bookworm)",
                true,
            ),
            (
                "ID=linuxmint\nID_LIKE='ubuntu debian'\nPRETTY_NAME='Linux Mint 22'\n",
                "Linux Mint 22",
                true,
            ),
            ("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "ubuntu", true),
            (
                "ID=fedora\nPRETTY_NAME=\"Fedora Linux 42\"\n",
                "Fedora Linux 42",
                false,
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "rocky",
                false,
            ),
            ("", "an unknown distribution", false),
        ];
        for (text, name, debian_like) in cases {
            let distribution = Distribution::parse(text);
            assert_eq!(
                (distribution.name.as_str(), distribution.is_debian_like()),
                (name, debian_like),
                "{text}"
            );
        }
    }
}
