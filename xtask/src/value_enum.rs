//! Values of the command line. In: a value. Out: its name.

use clap::ValueEnum;

/// The name on the command line.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
