//! Flags, and options with their values, as a command line. In: what was parsed from one. Out: the
//! same for another process, which gets it as it was.

use std::ffi::OsString;

/// Arguments, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct CommandLine(Vec<OsString>);

impl CommandLine {
    /// Adds an option and its value.
    pub(crate) fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.extend([name.into(), value.into()]);
    }

    /// Adds an option where it has a value.
    pub(crate) fn option_if(&mut self, name: &str, value: Option<impl Into<OsString>>) {
        if let Some(value) = value {
            self.option(name, value);
        }
    }

    /// Adds a flag where it is set.
    pub(crate) fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.into());
        }
    }

    /// The arguments.
    pub(crate) fn into_args(self) -> Vec<OsString> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_there() {
        let mut line = CommandLine::default();
        line.option("--a", "1 2");
        line.option_if("--b", Some("3"));
        line.option_if("--c", None::<OsString>);
        line.flag("--d", true);
        line.flag("--e", false);
        assert_eq!(line.into_args(), ["--a", "1 2", "--b", "3", "--d"]);
    }
}
