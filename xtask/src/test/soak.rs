//! `cargo xtask soak`: load, churn and faults for as long as is asked. In: a duration. Out: a test of
//! the lab that has run so long; its figures go to the terminal.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::lab::{self, Modules, Selection};
use super::{Phase, finish};
use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;

/// Run load, churn and faults at the same time: nothing grows, the books balance, nothing is wrong
///
/// Quiet clients send requests while pods vanish, rules are rewritten each second, another pod floods,
/// the collector refuses or hangs, and the agent is stopped. Needs root.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    /// How long, such as 15m or 8h; at least 10m
    #[arg(long = "for", value_name = "DURATION", default_value = "15m", value_parser = duration)]
    duration: Duration,
}

/// Runs the soak.
///
/// # Errors
/// When set-up fails. What fails in the soak is counted.
pub(crate) fn run(workspace: &Workspace, args: &SoakArgs) -> Result<ExitCode> {
    let privilege = Privilege::obtain("to run the soak");
    Setup::new(workspace, &privilege).prepare_tests(true)?;
    let environment = [format!("HOPSPAN_SOAK_SECONDS={}", args.duration.as_secs())];
    let selection = Selection {
        modules: Modules::Soak,
        environment: &environment,
        ..Selection::default()
    };
    Ok(finish(vec![Phase::new("soak", || {
        lab::run(workspace, &privilege, &selection)
    })]))
}

/// Parses a number of seconds, minutes or hours. Ten minutes are
/// the least: every kind of flood comes within two, and the export queue fills in some more.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.char_indices().last().and_then(|(end, unit)| {
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        text[..end].parse::<u64>().ok()?.checked_mul(seconds)
    });
    match parsed {
        Some(seconds @ 600..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected 10m to 168h, such as 15m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, expected) in [("600s", 600), ("15m", 900), ("168h", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(expected)), "{text}");
        }
        for text in [
            "",
            "m",
            "15",
            "1.5h",
            "-1m",
            "59s",
            "169h",
            "18446744073709551615h",
            "1µ",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
