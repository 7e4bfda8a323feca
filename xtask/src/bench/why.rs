//! Why budgets are missed, in people's words: no number says it. In: docs/budgets-missed.txt. Out: a
//! sentence for a figure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::budget;

/// Where they are written, below the workspace. A line is the key of a budget's figure, a colon, and
/// the sentence; `#` begins a remark.
pub(super) const FILE: &str = "docs/budgets-missed.txt";

/// Sentences by figure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whys(BTreeMap<String, String>);

impl Whys {
    /// Those of the workspace.
    ///
    /// # Errors
    /// When the file is not there, or not understood.
    pub(super) fn read(workspace: &Path) -> Result<Self> {
        let path = workspace.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("understand {}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut whys = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let Some((figure, why)) = line.split_once(": ") else {
                bail!("line {number} is no `figure: why`: {line}");
            };
            ensure!(
                budget::is_figure(figure),
                "line {number}: no budget is of the figure {figure}"
            );
            whys.insert(figure.to_owned(), why.trim().to_owned());
        }
        Ok(Self(whys))
    }

    /// Why a figure's budget is missed.
    pub(super) fn of(&self, figure: &str) -> Option<&str> {
        self.0.get(figure).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_and_a_sentence() {
        let text = "# remark\n\nstart.attached: the verifier takes it: all of it\n";
        let whys = Whys::parse(text).unwrap();
        let why = "the verifier takes it: all of it";
        assert_eq!(whys.of("start.attached"), Some(why));
        assert_eq!(whys.of("start.maps"), None);
        for bad in ["start.nothing: because", "start.attached because"] {
            assert!(Whys::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn those_of_this_workspace_are_understood() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Whys::read(&workspace).unwrap();
    }
}
