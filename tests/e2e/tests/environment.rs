//! A bad environment: one clear error at the start, and no panic.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{thread, time::Duration};

use hopspan_e2e::binary;
use hopspan_lab::{Command, HttpClient, Lab, Node, Output};

const DEADLINE: Duration = Duration::from_secs(60);

fn agent(node: &Node) -> Command {
    node.command(binary("hopspan").unwrap())
        .args(["run", "--no-kubernetes", "--listen", "off", "--cgroup"])
        .arg(node.cgroup_root())
        // Must not bury the error.
        .env("RUST_BACKTRACE", "1")
}

/// Checks for a single line, which is the error.
fn check(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
    let mut lines = output.stderr.lines();
    let error = lines.next().unwrap_or_default();
    assert!(error.starts_with("error: "), "{output:?}");
    assert!(error.contains(words), "{words}: {output:?}");
    assert_eq!(lines.next(), None, "{output:?}");
}

#[test]
fn a_bad_environment_is_one_error_at_the_start() {
    if hopspan_lab::skip("a_bad_environment_is_one_error_at_the_start") {
        return;
    }
    let lab = Lab::new("environment").unwrap();
    let node = lab.node("node").unwrap();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%0ab"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api key=a"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_RESOURCE_ATTRIBUTES", "host.id"),
        ("OTEL_RESOURCE_ATTRIBUTES", "host.id=%ff"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551615"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "99999999999"),
    ] {
        let output = agent(&node).env(name, value).output(DEADLINE).unwrap();
        let words = match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => "OTLP endpoint",
            "OTEL_EXPORTER_OTLP_COMPRESSION" => "OTLP compression",
            name => name,
        };
        check(&output, words);
    }
    for option in ["--report", "--record", "--metrics-token"] {
        let path = "/nowhere/file";
        let output = agent(&node).args([option, path]).output(DEADLINE).unwrap();
        check(&output, path);
    }
    let output = agent(&node).args(["--cgroup", "/proc"]).output(DEADLINE);
    assert!(!output.unwrap().status.success());
}

#[test]
fn a_missing_capability_is_named() {
    if hopspan_lab::skip("a_missing_capability_is_named") {
        return;
    }
    let lab = Lab::new("capability").unwrap();
    let node = lab.node("node").unwrap();
    for (missing, name) in [
        ("perfmon", "CAP_PERFMON"),
        ("bpf", "CAP_BPF"),
        ("net_admin", "CAP_NET_ADMIN"),
    ] {
        let all = ",+bpf,+perfmon,+net_admin,+net_raw,+sys_ptrace";
        let others = all.replace(&format!(",+{missing}"), "");
        let output = node
            .command("setpriv")
            .arg(format!("--bounding-set=-all{others}"))
            .args(["--inh-caps=-all", "--no-new-privs"])
            .arg(binary("hopspan").unwrap())
            .args(["run", "--no-kubernetes", "--listen", "off", "--cgroup"])
            .arg(node.cgroup_root())
            .output(DEADLINE)
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = output
            .stderr
            .lines()
            .find(|line| line.starts_with("error: "));
        let words = format!("attach without {name}:");
        assert!(
            error.is_some_and(|error| error.contains(&words)),
            "{output:?}"
        );
    }
}

#[test]
fn an_agent_without_a_reader_of_its_log_goes_on() {
    if hopspan_lab::skip("an_agent_without_a_reader_of_its_log_goes_on") {
        return;
    }
    let lab = Lab::new("log-reader").unwrap();
    let node = lab.node("node").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut agent = node
        .command(binary("hopspan").unwrap())
        .args(["run", "--no-kubernetes", "--listen", "9464", "--cgroup"])
        .arg(node.cgroup_root())
        // Of all levels, so that each second has lines.
        .env("RUST_LOG", "trace")
        .stderr(writer)
        .spawn()
        .unwrap();
    agent.wait_listening(9464, DEADLINE).unwrap();
    let mut http = HttpClient::connect(&node, 9464).unwrap();
    while http.get("/readyz").unwrap().status != 200 {
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_secs(2));
    assert_eq!(agent.exit_status().unwrap(), None);
    assert!(agent.terminate(DEADLINE).unwrap().success());
}
