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

/// Gives an enum of options the array of its variants and their names on the command line, by which
/// it is printed and parsed. Does not compile unless every variant is listed.
macro_rules! print_and_parse_by_name {
    ($option:ident, $kind:literal, $($variant:ident: $name:literal),+ $(,)?) => {
        impl $option {
            /// Every variant.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

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
