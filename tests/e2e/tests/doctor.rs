//! `hopspan doctor` reports exactly what this kernel and these privileges lack, and leaves nothing
//! behind.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{collections::BTreeSet, time::Duration};

use aya::programs::{loaded_links, loaded_programs};
use hopspan_e2e::{Kernel, binary};
use hopspan_lab::{Lab, Node, Output};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs it in a node, as a hostNetwork pod would, with all capabilities or with only those named.
fn doctor(node: &Node, capabilities: Option<&str>, arguments: &[&str]) -> Output {
    let binary = binary("hopspan").unwrap();
    let command = match capabilities {
        None => node.command(binary),
        Some(capabilities) => node
            .command("setpriv")
            .arg(format!("--bounding-set=-all{capabilities}"))
            .args(["--inh-caps=-all", "--no-new-privs"])
            .arg(binary),
    };
    command
        .arg("doctor")
        .arg("--cgroup")
        .arg(node.cgroup_root())
        .args(arguments)
        .output(DEADLINE)
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The names of the missing checks or hooks.
fn missing(diagnosis: &Value, of: &str, name: &str) -> BTreeSet<String> {
    let all = diagnosis[of].as_array().unwrap();
    all.iter()
        .filter(|found| found["state"] == "missing")
        .map(|found| found[name].as_str().unwrap().to_owned())
        .collect()
}

/// The number of loaded programs with a name of hopspan's functions, and of links.
fn loaded() -> usize {
    let programs = loaded_programs().filter_map(Result::ok);
    programs
        .filter(|program| {
            program
                .name_as_str()
                .is_some_and(|name| name.starts_with("prerouting"))
        })
        .count()
        + loaded_links().filter_map(Result::ok).count()
}

#[test]
fn doctor_names_what_this_kernel_lacks_and_leaves_nothing() {
    if hopspan_lab::skip("doctor_names_what_this_kernel_lacks_and_leaves_nothing") {
        return;
    }
    let lab = Lab::new("doctor").unwrap();
    let node = lab.node("node").unwrap();
    let before = loaded();
    let output = doctor(&node, None, &["--json"]);
    let diagnosis = json(&output);
    let lacks = Kernel::running().lacks();
    assert_eq!(missing(&diagnosis, "hooks", "hook"), lacks, "{diagnosis:#}");
    assert_eq!(diagnosis["complete"], lacks.is_empty(), "{diagnosis:#}");
    assert_eq!(output.status.success(), lacks.is_empty(), "{output:?}");
    // The kernel frees programs with a delay, and other labs may attach and detach at the same
    // time.
    let deadline = std::time::Instant::now() + DEADLINE;
    while loaded() > before && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        loaded() <= before,
        "{} programs and links are left",
        loaded()
    );

    let page = doctor(&node, None, &[]).stdout;
    let last = page.lines().last().unwrap();
    let expected = if lacks.is_empty() {
        "hopspan sees everything on this machine"
    } else {
        "missing on this machine"
    };
    assert!(last.starts_with(expected), "{page}");
}

#[test]
fn the_capabilities_of_the_manifest_are_enough_and_each_is_needed() {
    const TEST: &str = "the_capabilities_of_the_manifest_are_enough_and_each_is_needed";
    if hopspan_lab::skip(TEST) {
        return;
    }
    let lab = Lab::new("capabilities").unwrap();
    let node = lab.node("node").unwrap();
    let lacks = Kernel::running().lacks();
    let mut without_uplinks = lacks.clone();
    without_uplinks.insert("uplink_receive".to_owned());
    let check = |capabilities: &str, checks: &[&str], lacks: Option<&BTreeSet<String>>| {
        let diagnosis = json(&doctor(&node, Some(capabilities), &["--json"]));
        let found = missing(&diagnosis, "checks", "name");
        for check in checks {
            assert!(found.contains(*check), "{capabilities}: {diagnosis:#}");
        }
        let hooks = missing(&diagnosis, "hooks", "hook");
        match lacks {
            Some(lacks) => assert_eq!(hooks, *lacks, "{capabilities}: {diagnosis:#}"),
            // Without any of these capabilities sockets cannot be followed at all.
            None => assert!(
                hooks.contains("cgroup_egress"),
                "{capabilities}: {diagnosis:#}"
            ),
        }
    };
    // As in deploy/base/daemon-set.yaml.
    let all = ",+bpf,+perfmon,+net_admin,+net_raw,+sys_ptrace";
    check(all, &[], Some(&lacks));
    let named = |missing: &str| all.replace(&format!(",+{missing}"), "");
    check(&named("sys_ptrace"), &["CAP_SYS_PTRACE"], Some(&lacks));
    check(&named("net_raw"), &["CAP_NET_RAW"], Some(&without_uplinks));
    check(&named("bpf"), &["CAP_BPF"], None);
    check(&named("perfmon"), &["CAP_PERFMON"], None);
    check(&named("net_admin"), &["CAP_NET_ADMIN"], None);
    check("", &["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"], None);
}
