//! The alert rules of deploy/prometheus: checked by promtool, and fired on series of its own.
//!
//! In: promtool, where it is installed. Out: its complaints.

use std::process::Command;

use crate::build::{deploy, skip};

/// Runs promtool in deploy/prometheus; skips `test` where it is missing.
fn promtool(test: &str, arguments: &[&str]) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(deploy("prometheus"));
    let Ok(output) = command.output() else {
        return skip(
            test,
            "promtool is not on PATH: install prometheus, for example with `cargo xtask setup`",
        );
    };
    assert!(
        output.status.success(),
        "promtool {}: {}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn promtool_accepts_the_rules() {
    promtool(
        "promtool_accepts_the_rules",
        &["check", "rules", "--lint-fatal", "hopspan.rules.yaml"],
    );
}

#[test]
fn each_alert_fires_on_its_series_and_not_on_others() {
    promtool(
        "each_alert_fires_on_its_series_and_not_on_others",
        &["test", "rules", "hopspan.rules.test.yaml"],
    );
}

/// An alert without a test may never fire.
#[test]
fn every_alert_has_a_test() {
    let read = |name| {
        let path = deploy("prometheus").join(name);
        std::fs::read_to_string(path).expect("deploy/prometheus has its files")
    };
    let tests = read("hopspan.rules.test.yaml");
    let rules = read("hopspan.rules.yaml");
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts {
        let fires = tests.split("alertname: ").skip(1).any(|test| {
            test.strip_prefix(alert).is_some_and(|rest| {
                let rest = rest.trim_start();
                rest.starts_with("exp_alerts:\n")
            })
        });
        assert!(
            fires,
            "hopspan.rules.test.yaml has no test that fires {alert}"
        );
    }
}
