//! Commands and processes in a lab: where they run, where their output goes, how they end.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hopspan_lab::Lab;

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn a_command_is_in_its_namespace_and_cgroup_from_the_start() {
    let Some(lab) =
        Lab::for_test("a_command_is_in_its_namespace_and_cgroup_from_the_start").unwrap()
    else {
        return;
    };
    let node = lab.node("node").unwrap();
    let pod = node.pod("default", "web").unwrap();
    let script =
        "readlink /proc/self/ns/net; grep ^0:: /proc/self/cgroup; ps -o pgid= -p $$; echo $$";
    for (command, inode, cgroup) in [
        (
            pod.command("sh"),
            pod.netns_inode(),
            pod.cgroup().to_owned(),
        ),
        (
            node.command("sh"),
            node.netns_inode(),
            node.cgroup_root().join("system.slice"),
        ),
    ] {
        let text = command.args(["-c", script]).run(DEADLINE).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], format!("net:[{inode}]"));
        // The path is relative to the mount, or to the reader's own cgroup namespace.
        let path = lines[1].strip_prefix("0::").unwrap();
        assert!(
            cgroup.ends_with(path.trim_start_matches('/')),
            "{path} is not {}",
            cgroup.display()
        );
        assert_eq!(lines[2], lines[3], "it leads its own process group");
    }
    let kubelet = pod
        .cgroup()
        .strip_prefix(node.cgroup_root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        kubelet,
        format!("kubepods/burstable/pod{}/{}", pod.uid(), pod.container_id())
    );
    assert_eq!(
        fs::metadata(pod.netns_path()).unwrap().ino(),
        pod.netns_inode()
    );
    assert_eq!(lab.pod_by_ip(pod.ip()).unwrap().uid(), pod.uid());
    assert!(lab.pod_by_ip(node.gateway_ip()).is_none());
}

#[test]
fn a_process_outlives_the_thread_that_started_it() {
    let Some(lab) = Lab::for_test("a_process_outlives_the_thread_that_started_it").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let spawn = || node.command("sleep").arg("infinity").spawn().unwrap();
    let mut process = std::thread::scope(|scope| scope.spawn(spawn).join().unwrap());
    assert_eq!(process.wait(SECOND / 10).unwrap(), None);
    assert_eq!(process.terminate(DEADLINE).unwrap().signal(), Some(15));
}

#[test]
fn terminate_kills_a_process_that_ignores_sigterm() {
    let Some(lab) = Lab::for_test("terminate_kills_a_process_that_ignores_sigterm").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut process = node.command("sh").args(["-c", script]).spawn().unwrap();
    process
        .wait_until("set its trap", DEADLINE, |sh| sh.log() == "ready\n")
        .unwrap();
    assert_eq!(process.terminate(SECOND / 5).unwrap().signal(), Some(9));
    assert_eq!(
        process.terminate(SECOND).unwrap().signal(),
        Some(9),
        "ended already"
    );
}

#[test]
fn an_early_end_is_reported_with_the_log() {
    let Some(lab) = Lab::for_test("an_early_end_is_reported_with_the_log").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let fail = || {
        node.command("sh")
            .args(["-c", "echo to stdout; echo to stderr >&2; exit 3"])
    };
    let error = fail()
        .spawn()
        .unwrap()
        .wait_listening(8080, DEADLINE)
        .unwrap_err()
        .to_string();
    for part in [
        "node-sh ended, exit status: 3, before it could listen on port 8080",
        "to stdout",
        "to stderr",
        ".log",
    ] {
        assert!(error.contains(part), "{part:?} not in {error}");
    }
    let error = node
        .command("sleep")
        .arg("9")
        .spawn()
        .unwrap()
        .wait_listening(8080, SECOND / 10)
        .unwrap_err();
    assert!(
        error.to_string().contains("did not listen on port 8080"),
        "{error}"
    );

    let error = fail().run(DEADLINE).unwrap_err().to_string();
    assert_eq!(error, "node-sh failed, exit status: 3: to stderr");
    let output = fail().output(DEADLINE).unwrap();
    assert_eq!(
        (&*output.stdout, &*output.stderr, output.status.code()),
        ("to stdout\n", "to stderr\n", Some(3))
    );
    let error = node
        .command("sleep")
        .arg("9")
        .output(SECOND / 10)
        .unwrap_err()
        .to_string();
    assert!(error.contains("has not ended"), "{error}");
    let error = format!(
        "{:#}",
        node.command("/no/such/program").spawn().unwrap_err()
    );
    assert!(error.contains("/no/such/program"), "{error}");
}

#[test]
fn each_start_has_its_own_log() {
    let Some(lab) = Lab::for_test("each_start_has_its_own_log").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let logs = ["one", "two"].map(|word| {
        let mut process = node.command("echo").arg(word).spawn().unwrap();
        assert!(process.wait(DEADLINE).unwrap().unwrap().success());
        assert_eq!(process.log(), format!("{word}\n"));
        process.log_path().unwrap().to_owned()
    });
    assert_eq!(
        logs,
        ["node-echo.log", "node-echo-2.log"].map(|name| lab.work_dir().join(name))
    );
    let text = node
        .command("cat")
        .stdin_text("from standard input")
        .unwrap()
        .run(DEADLINE)
        .unwrap();
    assert_eq!(text, "from standard input");
}

#[test]
fn names_are_checked() {
    let Some(lab) = Lab::for_test("names_are_checked").unwrap() else {
        return;
    };
    for name in ["", "../x", "Node", "wire"] {
        assert!(lab.node(name).is_err(), "{name:?}");
    }
    let node = lab.node("node").unwrap();
    assert!(lab.node("node").is_err());
    node.pod("default", "web").unwrap();
    assert!(node.pod("default", "web").is_err());
    assert!(node.pod("default", "a/b").is_err());
    node.pod("other", "web").unwrap();
    // A second node has its own addresses, and the wire connects both.
    let second = lab.node("second").unwrap();
    assert_eq!(
        (second.ip().to_string(), second.gateway_ip().to_string()),
        ("172.18.0.3".into(), "10.244.2.1".into())
    );
    let listener = second
        .within(|| std::net::TcpListener::bind((second.ip(), 9000)))
        .unwrap()
        .unwrap();
    let target = listener.local_addr().unwrap();
    node.within(|| std::net::TcpStream::connect_timeout(&target, SECOND))
        .unwrap()
        .unwrap();
}
