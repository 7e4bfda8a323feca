//! Values of the command line. In: a value. Out: its name and its help, as clap has them.

use clap::ValueEnum;

/// The name on the command line.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The help, which is the doc comment.
pub(crate) fn help(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    let help = value.and_then(|value| value.get_help().map(ToString::to_string));
    help.unwrap_or_default()
}
