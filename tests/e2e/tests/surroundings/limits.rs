//! Limits of the agent's process.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{EchoFixture, binary, flood, sink};
use hopspan_lab::Lab;

use super::{check, finish, load, wait};

const FLOOD: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(60);
const PORT: u16 = 8081;

/// The kernel refuses memory beyond the limit of `deploy/base`, and an agent to which memory is
/// refused aborts.
#[test]
fn a_flood_fits_into_the_memory_limit() {
    if hopspan_lab::skip("a_flood_fits_into_the_memory_limit") {
        return;
    }
    let mut fixture = EchoFixture::start("memory-limit", 1, 1).unwrap();
    let [attacker, target] =
        ["attacker", "target"].map(|name| fixture.node.pod("flood", name).unwrap());
    let to = SocketAddr::new(target.ip().into(), PORT);
    let mut target_process = sink(&target, to).unwrap();
    fixture
        .start_default_agent_by(&["prlimit", "--data=268435456"], &[])
        .unwrap();
    let mut flooding = flood(&attacker, "connections", to, FLOOD).unwrap();
    let mut load = load(&fixture);
    wait(&mut load);
    wait(&mut flooding);
    target_process.terminate(LIMIT).unwrap();
    let agent = &mut fixture.agent.as_mut().unwrap().process;
    assert_eq!(agent.exit_status().unwrap(), None, "{}", agent.log());
    let mut outcome = finish(fixture);
    // The flood has a trace of its own.
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| exchange.trace_id >> 64 != 0xf100_d000_0000_0000);
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
