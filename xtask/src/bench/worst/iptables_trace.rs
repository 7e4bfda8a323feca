//! iptables TRACE on the service's packets. In: a load. Out: its rate, and how many lines were told.
//!
//! With iptables-nft the kernel tells each rule that a packet meets over netlink, to whoever listens.
//! xtables-monitor(8) ends at the first message that the kernel could not deliver (ENOBUFS), and from
//! then on nothing is traced: `nft monitor trace` listens to the same messages and goes on. Its lines
//! go to a pipe whose other end only counts them, as they would go through grep.

use std::time::Duration;

use anyhow::{Result, ensure};
use hopspan_lab::Command;

use super::super::ground::{Ground, PORT};
use super::watching::Watched;

const TOOL: Duration = Duration::from_secs(30);
/// How long the monitor may take to join the group: it says nothing when it has.
const JOIN: Duration = Duration::from_millis(500);

/// Both directions of the service: requests come for its ClusterIP, answers from its pod.
fn rules(ground: &Ground) -> [String; 2] {
    let (ip, port) = (ground.address().ip(), ground.address().port());
    let pod = ground.server.ip();
    [
        format!("--protocol tcp --destination {ip} --dport {port}"),
        format!("--protocol tcp --source {pod} --sport {PORT}"),
    ]
}

/// Sets the rules, loads, and takes them away.
///
/// # Errors
/// When iptables refuses them, nothing is traced, or the load fails.
pub(super) fn watch(ground: &Ground, load: impl FnOnce() -> Result<f64>) -> Result<Watched> {
    let count = ground.work_dir().join("traced");
    // awk holds no line back, and writes their number when the monitor has ended.
    let mut monitor = ground
        .base
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
    for rule in rules(ground) {
        iptables(ground, "--append", &rule).run(TOOL)?;
    }
    let rate = load();
    for rule in rules(ground) {
        iptables(ground, "--delete", &rule).run(TOOL)?;
    }
    monitor.terminate(TOOL)?;
    let rate = rate?;
    let lines = std::fs::read_to_string(&count).unwrap_or_default();
    let lines = lines.trim().parse().unwrap_or(0_u64);
    ensure!(
        lines > 0,
        "nothing was traced: does the kernel have nft_log or xt_TRACE? {}",
        monitor.log()
    );
    Ok(Watched {
        rate,
        seen: vec![format!("{lines} lines told")],
    })
}

fn iptables(ground: &Ground, action: &str, rule: &str) -> Command {
    ground
        .base
        .node
        .command("iptables")
        .args(["--wait", "--table", "raw", action, "PREROUTING"])
        .args(rule.split(' '))
        .args(["--jump", "TRACE"])
}
