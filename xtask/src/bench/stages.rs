//! The pure stages by themselves: no kernel, no lab, no root. In: criterion's and the allocation
//! counter's results, for the recording in the repository. Out: figures. Criterion has its own
//! statistics: its samples, each the mean of many runs, are what is kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::BenchArgs;
use super::outcome::{Outcome, Unit};
use crate::workspace::Workspace;

/// The benchmarks of `tracer-user/benches`.
const TIMES: &str = "stages";
const ALLOCATIONS: &str = "allocations";
/// Criterion's group.
const GROUP: &str = "stages";

/// Criterion's `sample.json`: how often something ran, and how long that took, nanoseconds.
#[derive(Debug, Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Builds and runs both.
///
/// # Errors
/// When one does not build or run, or leaves no results.
pub(super) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<Outcome> {
    let mut outcome = Outcome::new("stages");
    let results = workspace.target_dir()?.join("criterion");
    let mut times = bench(workspace, TIMES);
    if args.quick {
        times.args([
            "--warm-up-time",
            "0.1",
            "--measurement-time",
            "0.2",
            "--sample-size",
            "10",
        ]);
    }
    let status = times.status().context("run cargo bench")?;
    if !status.success() {
        bail!("cargo bench --bench {TIMES}: {status}");
    }
    for directory in names(&results.join(GROUP))? {
        add(&mut outcome, &directory)?;
    }
    let output = bench(workspace, ALLOCATIONS)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("run cargo bench")?;
    ensure!(
        output.status.success(),
        "cargo bench --bench {ALLOCATIONS}: {}",
        output.status
    );
    add_allocations(&mut outcome, &String::from_utf8_lossy(&output.stdout))?;
    outcome.note(
        "On the recording of one HotROD dispatch in tracer-pipeline/tests/recordings, 13 exchanges: times are criterion's samples. The pipeline's time is that of all records, from bytes to spans.",
    );
    Ok(outcome)
}

fn bench(workspace: &Workspace, name: &str) -> Command {
    workspace.cargo(["bench", "--package", "tracer-user", "--bench", name, "--"])
}

/// The directories of what was measured, in the order of their names.
fn names(group: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(group).with_context(|| format!("read {}", group.display()))?;
    let mut names: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("new/sample.json").is_file())
        .collect();
    names.sort();
    ensure!(
        !names.is_empty(),
        "criterion has left nothing in {}",
        group.display()
    );
    Ok(names)
}

fn add(outcome: &mut Outcome, directory: &Path) -> Result<()> {
    let path = directory.join("new/sample.json");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let values = each_us(&text).with_context(|| format!("understand {}", path.display()))?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    outcome.figure(&name, &name.replace('_', " "), Unit::Microseconds, values);
    Ok(())
}

/// Microseconds of one run, for each sample.
fn each_us(text: &str) -> Result<Vec<f64>> {
    let samples: Samples = serde_json::from_str(text)?;
    ensure!(
        samples.iters.len() == samples.times.len(),
        "as many times as samples"
    );
    let each = samples.times.iter().zip(&samples.iters);
    Ok(each.map(|(time, runs)| time / runs / 1000.0).collect())
}

/// The counter writes one line of JSON: exchanges, allocations and their bytes.
fn add_allocations(outcome: &mut Outcome, said: &str) -> Result<()> {
    let line = said.lines().rfind(|line| line.starts_with('{'));
    let counts: Value = serde_json::from_str(line.context("nothing was counted")?)
        .context("understand the allocation counter")?;
    let number = |key: &str| {
        let number = counts[key].as_f64();
        number.with_context(|| format!("the allocation counter does not tell {key}"))
    };
    let exchanges = number("exchanges")?;
    ensure!(exchanges > 0.0, "no exchange was counted");
    for (key, what, unit) in [
        (
            "allocations",
            "allocations per exported exchange, all stages",
            Unit::Count,
        ),
        (
            "allocated_bytes",
            "bytes allocated per exported exchange",
            Unit::Bytes,
        ),
    ] {
        let each = number(key)? / exchanges;
        outcome.figure(&format!("{key}_per_exchange"), what, unit, vec![each]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterion_tells_sums_and_runs() {
        let text = r#"{"sampling_mode":"Linear","iters":[10.0,20.0],"times":[50000.0,90000.0]}"#;
        assert_eq!(each_us(text).unwrap(), [5.0, 4.5]);
        assert!(each_us(r#"{"iters":[1.0],"times":[]}"#).is_err());
        assert!(each_us("{}").is_err());
    }

    #[test]
    fn allocations_are_told_for_each_exchange() {
        let mut outcome = Outcome::new("stages");
        let said =
            "warming up\n{\"exchanges\":10,\"allocations\":1230,\"allocated_bytes\":50000}\n";
        add_allocations(&mut outcome, said).unwrap();
        assert_eq!(outcome.figures[0].values, [123.0]);
        assert_eq!(outcome.figures[1].values, [5000.0]);
        assert!(add_allocations(&mut outcome, "").is_err());
    }
}
