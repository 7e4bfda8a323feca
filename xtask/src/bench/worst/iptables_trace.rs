//! iptables TRACE on the service's packets. In: a load. Out: its rate, and how many lines were
//! printed.
//!
//! With iptables-nft the kernel sends a netlink message for each rule that a packet meets.
//! xtables-monitor(8) ends at the first message that the kernel could not deliver (ENOBUFS), and
//! from then on nothing is traced; `nft monitor trace` reads the same messages and goes on. A
//! program counts its lines, in the place of grep.

use std::time::Duration;

use anyhow::{Result, ensure};
use hopspan_lab::Command;

use super::observer::Observed;
use crate::bench::fixture::nginx::{NginxFixture, PORT};

const TOOL_LIMIT: Duration = Duration::from_secs(30);
/// How long the monitor takes to join the multicast group at most: nothing shows when it has.
const JOIN: Duration = Duration::from_millis(500);

/// Both directions of the service: requests are sent to its ClusterIP, responses by its pod.
fn rules(fixture: &NginxFixture) -> [String; 2] {
    let (ip, port) = (fixture.address().ip(), fixture.address().port());
    let pod = fixture.server.ip();
    [
        format!("--protocol tcp --destination {ip} --dport {port}"),
        format!("--protocol tcp --source {pod} --sport {PORT}"),
    ]
}

/// Adds the rules, loads, and deletes them.
///
/// # Errors
/// When iptables refuses them, nothing is traced, or the load fails.
pub(super) fn observe(
    fixture: &NginxFixture,
    load: impl FnOnce() -> Result<f64>,
) -> Result<Observed> {
    let count = fixture.work_dir().join("traced");
    // awk reads without delay, and prints the number of lines when the monitor has ended.
    let mut monitor = fixture
        .receiver
        .node
        .command("sh")
        .arg("-c")
        .arg(
            "trap 'kill $monitor' TERM; \
              mkfifo \"$1.pipe\"; awk 'END { print NR }' < \"$1.pipe\" > \"$1\" & \
              nft monitor trace > \"$1.pipe\" & monitor=$!; \
              wait $monitor; wait; rm \"$1.pipe\"",
        )
        .arg("sh")
        .arg(&count)
        .spawn()?;
    std::thread::sleep(JOIN);
    for rule in rules(fixture) {
        iptables(fixture, "--append", &rule).run(TOOL_LIMIT)?;
    }
    let rate = load();
    for rule in rules(fixture) {
        iptables(fixture, "--delete", &rule).run(TOOL_LIMIT)?;
    }
    monitor.terminate(TOOL_LIMIT)?;
    let rate = rate?;
    let lines = std::fs::read_to_string(&count).unwrap_or_default();
    let lines = lines.trim().parse().unwrap_or(0_u64);
    ensure!(
        lines > 0,
        "nothing was traced: does the kernel have nft_log or xt_TRACE? {}",
        monitor.log()
    );
    Ok(Observed {
        rate,
        lines: vec![format!("{lines} lines printed")],
    })
}

fn iptables(fixture: &NginxFixture, action: &str, rule: &str) -> Command {
    fixture
        .receiver
        .node
        .command("iptables")
        .args(["--wait", "--table", "raw", action, "PREROUTING"])
        .args(rule.split(' '))
        .args(["--jump", "TRACE"])
}
