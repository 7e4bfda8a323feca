//! Limits of the agent's process.

use std::time::Duration;

use hopspan_e2e::{EchoFixture, Flood, binary};
use hopspan_lab::Lab;

use super::{check, finish, load, wait};

const FLOOD: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(60);

/// The kernel refuses memory beyond half of the limit of `deploy/base`, and an agent to which memory is
/// refused aborts.
#[test]
fn a_flood_fits_into_the_memory_limit() {
    if hopspan_lab::skip("a_flood_fits_into_the_memory_limit") {
        return;
    }
    let mut fixture = EchoFixture::start("memory-limit", 1, 1).unwrap();
    let mut flood = Flood::new(&fixture.node).unwrap();
    fixture
        .start_default_agent_by(&["prlimit", "--data=268435456"], &[])
        .unwrap();
    let mut flooding = flood.start("connections", FLOOD).unwrap();
    let mut load = load(&fixture);
    wait(&mut load);
    wait(&mut flooding);
    flood.end().unwrap();
    let agent = &mut fixture.agent.as_mut().unwrap().process;
    assert_eq!(agent.exit_status().unwrap(), None, "{}", agent.log());
    let mut outcome = finish(fixture);
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| !Flood::has(exchange));
    check(&outcome);
}

#[test]
fn too_few_open_files_are_one_error() {
    if hopspan_lab::skip("too_few_open_files_are_one_error") {
        return;
    }
    let lab = Lab::new("few-files").unwrap();
    let node = lab.node("node").unwrap();
    let output = node
        .command("prlimit")
        .arg("--nofile=24:24")
        .arg(binary("hopspan").unwrap())
        .args(["run", "--no-kubernetes", "--listen", "off", "--cgroup"])
        .arg(node.cgroup_root())
        .output(LIMIT)
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: ") && line.contains("Too many open files"));
    assert_eq!(errors.count(), 1, "{output:?}");
}
