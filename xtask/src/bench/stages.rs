//! The pure stages by themselves: no kernel, no lab, no root. In: the results of criterion and of
//! the allocation counter, for the recording in the repository. Out: figures, in a file for the
//! root half. The values are criterion's samples, each the mean of many runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::outcome::{Outcome, Unit};
use super::results::Results;
use crate::workspace::Workspace;

/// The file with the outcome.
const FILE: &str = "stages.json";

/// Criterion's `sample.json`: numbers of runs, and how long so many took, nanoseconds.
#[derive(Debug, Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Builds and runs the benchmarks of `tracer-user/benches`, and stores the outcome.
///
/// # Errors
/// When one does not build or run, or leaves no results.
pub(super) fn run(workspace: &Workspace, quick: bool) -> Result<()> {
    let mut outcome = Outcome::new("stages");
    let quick: &[&str] = match quick {
        true => &[
            "--warm-up-time=0.1",
            "--measurement-time=0.2",
            "--sample-size=10",
        ],
        false => &[],
    };
    bench(workspace, "stages", quick, Stdio::inherit())?;
    for directory in measured(&workspace.target_dir()?.join("criterion/stages"))? {
        add_times(&mut outcome, &directory)?;
    }
    let counts = bench(workspace, "allocations", &[], Stdio::piped())?;
    add_allocations(&mut outcome, &counts)?;
    outcome.note(
        "On the recording of one HotROD dispatch in tracer-pipeline/tests/recordings, 13 exchanges: times are criterion's samples. The pipeline's time is that of all records, from bytes to spans.",
    );
    let results = Results::of(workspace)?;
    results.write(FILE, &serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// The outcome that [`run`] has stored.
///
/// # Errors
/// When there is none.
pub(super) fn read(results: &Results) -> Result<Outcome> {
    let path = results.path(FILE);
    let shown = path.display();
    let text = fs::read_to_string(&path).with_context(|| format!("read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("parse {shown}"))
}

/// Runs a benchmark; its standard output, if it is piped.
fn bench(workspace: &Workspace, name: &str, args: &[&str], stdout: Stdio) -> Result<String> {
    let mut cargo: Command = workspace.cargo(["bench", "--package", "tracer-user", "--bench"]);
    cargo.args([name, "--"]).args(args);
    let cargo = cargo.stdout(stdout).stderr(Stdio::inherit()).spawn();
    let output = cargo.and_then(Child::wait_with_output);
    let output = output.context("run cargo bench")?;
    let status = output.status;
    ensure!(status.success(), "cargo bench --bench {name}: {status}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The directories of what criterion has measured, by name.
fn measured(group: &Path) -> Result<Vec<PathBuf>> {
    let shown = group.display();
    let entries = fs::read_dir(group).with_context(|| format!("read {shown}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.join("new/sample.json").is_file())
        .collect();
    paths.sort();
    ensure!(
        !paths.is_empty(),
        "criterion has written nothing to {shown}"
    );
    Ok(paths)
}

fn add_times(outcome: &mut Outcome, directory: &Path) -> Result<()> {
    let path = directory.join("new/sample.json");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let values = each_us(&text).with_context(|| format!("parse {}", path.display()))?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    outcome.figure(&name, &name.replace('_', " "), Unit::Microseconds, values);
    Ok(())
}

/// Microseconds of one run, for each sample.
fn each_us(text: &str) -> Result<Vec<f64>> {
    let Samples { iters, times } = serde_json::from_str(text)?;
    ensure!(iters.len() == times.len(), "not as many times as samples");
    let each = times.iter().zip(&iters);
    Ok(each.map(|(time, runs)| time / runs / 1000.0).collect())
}

/// The counter prints one line of JSON: exchanges, allocations and their bytes.
fn add_allocations(outcome: &mut Outcome, output: &str) -> Result<()> {
    let line = output.lines().rfind(|line| line.starts_with('{'));
    let line = line.context("the allocation counter printed nothing")?;
    let counts: Value = serde_json::from_str(line).context("parse the allocation counter")?;
    let number = |key: &str| {
        let number = counts[key].as_f64();
        number.with_context(|| format!("the allocation counter has no {key}"))
    };
    let exchanges = number("exchanges")?;
    ensure!(exchanges > 0.0, "no exchange was counted");
    let allocations = "allocations per exported exchange, all stages";
    let bytes = "bytes allocated per exported exchange";
    for (key, what, unit) in [
        ("allocations", allocations, Unit::Count),
        ("allocated_bytes", bytes, Unit::Bytes),
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
    fn samples_of_criterion() {
        let text = r#"{"sampling_mode":"Linear","iters":[10.0,20.0],"times":[50000.0,90000.0]}"#;
        assert_eq!(each_us(text).unwrap(), [5.0, 4.5]);
        assert!(each_us(r#"{"iters":[1.0],"times":[]}"#).is_err());
        assert!(each_us("{}").is_err());
    }

    #[test]
    fn allocations_of_each_exchange() {
        let mut outcome = Outcome::new("stages");
        let output =
            "warming up\n{\"exchanges\":10,\"allocations\":1230,\"allocated_bytes\":50000}\n";
        add_allocations(&mut outcome, output).unwrap();
        assert_eq!(outcome.figures[0].values, [123.0]);
        assert_eq!(outcome.figures[1].values, [5000.0]);
        assert!(add_allocations(&mut outcome, "").is_err());
    }
}
