//! Options that are chosen by a name on the command line. In: a text. Out: the option, or an error
//! that lists all names.

use anyhow::{Context, Result};

/// The option of this name. The error names the `kind` of option.
pub(crate) fn parse<T: Copy>(
    kind: &str,
    text: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T> {
    let found = all.iter().copied().find(|option| name(*option) == text);
    found.with_context(|| {
        let names: Vec<&str> = all.iter().map(|option| name(*option)).collect();
        format!("no {kind} {text:?}: use one of {}", names.join(", "))
    })
}

/// Prints an option as its `name` on the command line, and parses that name. `ALL` lists the
/// options.
macro_rules! print_and_parse_by_name {
    ($option:ty, $kind:literal) => {
        impl std::fmt::Display for $option {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $option {
            type Err = anyhow::Error;

            fn from_str(text: &str) -> anyhow::Result<Self> {
                $crate::option_name::parse($kind, text, &Self::ALL, Self::name)
            }
        }
    };
}

pub(crate) use print_and_parse_by_name;
