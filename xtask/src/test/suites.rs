//! The tests that need no root: unit tests with the replays, and doc tests. In: a filter. Out:
//! counts.

use anyhow::Result;

use super::stream;
use super::summary::Counts;
use crate::workspace::Workspace;

/// The packages whose tests make network namespaces.
pub(super) const LAB_PACKAGES: [&str; 2] = ["hopspan-lab", "hopspan-e2e"];

/// Tests of a program that run at the same time: many wait for timeouts, and few compute.
const TEST_THREADS: &str = "8";

/// Unit and integration tests of every package but the lab's, replays of recordings among them.
pub(super) fn unit(workspace: &Workspace, filter: Option<&str>) -> Result<Counts> {
    let mut cargo = workspace.cargo([
        "test",
        "--workspace",
        "--no-fail-fast",
        "--lib",
        "--bins",
        "--tests",
    ]);
    cargo.args(
        LAB_PACKAGES
            .iter()
            .flat_map(|package| ["--exclude", package]),
    );
    cargo.env("RUST_TEST_THREADS", TEST_THREADS);
    stream::run(cargo.args(harness_args(filter)))
}

/// The examples in the documentation of every package.
pub(super) fn doc(workspace: &Workspace, filter: Option<&str>) -> Result<Counts> {
    let mut cargo = workspace.cargo(["test", "--workspace", "--no-fail-fast", "--doc"]);
    stream::run(cargo.args(harness_args(filter)))
}

/// Arguments of the test harness. It has to show the output of passing tests, because skipped tests
/// print that they were skipped.
fn harness_args(filter: Option<&str>) -> impl Iterator<Item = &str> {
    ["--", "--show-output"].into_iter().chain(filter)
}
