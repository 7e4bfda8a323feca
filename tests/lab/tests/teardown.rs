//! However an owner ends, nothing of its lab is left, and the machine's own network is never
//! changed.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

mod machine;
#[allow(dead_code)] // Each test binary uses a part of it.
mod responder;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hopspan_lab::{Lab, Pod, Process, Signal, skip};
use machine::{remains_of, wait_until_gone};
use nix::sys::signal::{SigHandler, kill, signal};
use nix::unistd::Pid;

/// A lab with a node, a pod, a service, and a process in each, so that teardown has one of
/// everything.
struct Fixture {
    lab: Lab,
    pod: Pod,
    processes: [Process; 2],
}

impl Fixture {
    fn start(label: &str) -> Self {
        let lab = Lab::new(label).unwrap();
        let node = lab.node("node").unwrap();
        let pod = node.pod("default", "web").unwrap();
        node.apply_services(&[responder::service("web", 10, &[&pod])])
            .unwrap();
        let sleep = |command: hopspan_lab::Command| command.arg("infinity").spawn().unwrap();
        let processes = [sleep(pod.command("sleep")), sleep(node.command("sleep"))];
        Self {
            lab,
            pod,
            processes,
        }
    }
}

/// Another process that owns a lab, whose id and work directory it has printed.
struct Owner {
    child: Child,
    id: String,
    work_dir: PathBuf,
}

impl Owner {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hopspan-lab"))
            .arg("up")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut value = |key: &str| {
            lines
                .find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
                .unwrap()
        };
        let (id, work_dir) = (value("lab "), PathBuf::from(value("logs ")));
        value("ready");
        Self {
            child,
            id,
            work_dir,
        }
    }

    fn end_with(&mut self, signal: Signal) -> std::process::ExitStatus {
        assert!(
            remains_of(&self.id, &self.work_dir).len() > 6,
            "the lab was up"
        );
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        self.child.wait().unwrap()
    }
}

/// Gives SIGINT its default action in the command, also where the tests were started with SIGINT
/// ignored, as by a shell in the background.
fn interruptible(mut command: Command) -> Command {
    let reset = || {
        // SAFETY: no handler is set.
        unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) }?;
        Ok(())
    };
    // SAFETY: between fork and exec there is one system call and nothing else.
    unsafe { command.pre_exec(reset) };
    command
}

#[test]
fn nothing_is_left_after_drop() {
    if skip("nothing_is_left_after_drop") {
        return;
    }
    let Fixture {
        lab,
        pod,
        processes,
    } = Fixture::start("nothing_is_left_after_drop");
    let (id, work_dir) = (lab.id().to_owned(), lab.work_dir().to_owned());
    let before = remains_of(&id, &work_dir);
    // Three namespaces and their mounts, the lock, the logs, the cgroup, two processes.
    assert_eq!(before.len(), 11, "{before:#?}");

    drop(lab);
    assert_eq!(remains_of(&id, &work_dir), [""; 0]);
    for mut process in processes {
        assert_eq!(
            process
                .exit_status()
                .unwrap()
                .and_then(|status| status.signal()),
            Some(9)
        );
    }
    // The remaining handles return an error, because nothing would remove what they make.
    let error = format!("{:#}", pod.command("true").spawn().unwrap_err());
    assert!(error.contains("was torn down"), "{error}");
    assert!(pod.within(|| ()).is_err());
}

#[test]
fn teardown_returns_what_it_removed() {
    if skip("teardown_returns_what_it_removed") {
        return;
    }
    let Fixture {
        lab,
        processes: _processes,
        ..
    } = Fixture::start("teardown_returns_what_it_removed");
    let work_dir = lab.work_dir().to_owned();
    let removed = lab.teardown().unwrap();
    assert_eq!((removed.processes, removed.namespaces), (2, 3));
    // The lab, tools, node, system.slice, kubepods, burstable, pod, container.
    assert_eq!(removed.cgroups, 8);
    assert_eq!(removed.work_dir, Some(work_dir));
}

#[test]
fn nothing_but_logs_is_left_after_a_panic() {
    if skip("nothing_but_logs_is_left_after_a_panic") {
        return;
    }
    let mut found = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let Fixture { lab, .. } = &Fixture::start("nothing_but_logs_is_left_after_a_panic");
        found = Some((lab.id().to_owned(), lab.work_dir().to_owned()));
        panic!("on purpose");
    }));
    assert!(panic.is_err());
    let (id, work_dir) = found.unwrap();
    assert_eq!(remains_of(&id, &work_dir), [work_dir.display().to_string()]);
    assert!(
        work_dir.join("node-sleep.log").exists() && work_dir.join("default.web-sleep.log").exists()
    );
    fs::remove_dir_all(work_dir).unwrap();
}

#[test]
fn nothing_is_left_after_a_signal() {
    if skip("nothing_is_left_after_a_signal") {
        return;
    }
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut owner = Owner::start();
        assert_eq!(owner.end_with(signal).code(), Some(code));
        assert_eq!(remains_of(&owner.id, &owner.work_dir), [""; 0], "{signal}");
    }
}

#[test]
fn a_killed_owner_is_swept_by_the_next_lab() {
    if skip("a_killed_owner_is_swept_by_the_next_lab") {
        return;
    }
    let mut owner = Owner::start();
    assert_eq!(owner.end_with(Signal::SIGKILL).signal(), Some(9));
    drop(Lab::new("a_killed_owner_is_swept_by_the_next_lab").unwrap());
    // The lab of another test may have come first, and may still be removing it.
    wait_until_gone(&owner.id, &owner.work_dir);
}

/// Sends signals at moments between the owner's first instruction and a complete lab.
#[test]
fn an_owner_interrupted_while_building_leaves_nothing() {
    if skip("an_owner_interrupted_while_building_leaves_nothing") {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        for milliseconds in (1..120).step_by(7) {
            // The owner's work directory will be the only entry, and its name has the lab's id.
            let temporary = tempfile::tempdir().unwrap();
            let mut owner = interruptible(Command::new(env!("CARGO_BIN_EXE_hopspan-lab")))
                .arg("up")
                .env("TMPDIR", temporary.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(milliseconds));
            kill(Pid::from_raw(owner.id().cast_signed()), signal).unwrap();
            let id = || {
                let entry = fs::read_dir(temporary.path()).unwrap().flatten().next()?;
                let name = entry.file_name().into_string().unwrap();
                Some(name.replace("hopspan-lab-", ""))
            };
            // An interrupted owner removes the directory; a killed owner may have just made it.
            let early = id();
            let status = owner.wait().unwrap();
            let lab = early.or_else(id);
            // Before the handlers are installed there is no lab, and SIGINT has its default action.
            let as_expected = status.code() == Some(130) || status.signal() == Some(signal as i32);
            assert!(as_expected, "{signal} after {milliseconds} ms: {status}");
            if signal == Signal::SIGKILL {
                hopspan_lab::sweep().unwrap();
            }
            if let Some(id) = lab {
                let work_dir = temporary.path().join(format!("hopspan-lab-{id}"));
                if signal == Signal::SIGKILL {
                    // The sweep of another test may have come first, and may still be removing it.
                    wait_until_gone(&id, &work_dir);
                }
                assert_eq!(
                    remains_of(&id, &work_dir),
                    [""; 0],
                    "{signal} after {milliseconds} ms"
                );
            }
            assert_eq!(
                fs::read_dir(temporary.path()).unwrap().count(),
                0,
                "{signal} after {milliseconds} ms"
            );
        }
    }
}

#[test]
fn a_live_lab_is_not_swept() {
    if skip("a_live_lab_is_not_swept") {
        return;
    }
    let Fixture {
        lab,
        pod,
        mut processes,
    } = Fixture::start("a_live_lab_is_not_swept");
    let mut owner = Owner::start();
    let swept = hopspan_lab::sweep().unwrap();
    assert!(
        swept
            .iter()
            .all(|other| other.id != lab.id() && other.id != owner.id),
        "{swept:?}"
    );
    for process in &mut processes {
        assert_eq!(process.exit_status().unwrap(), None);
    }
    assert!(pod.within(|| ()).is_ok());
    assert_eq!(owner.end_with(Signal::SIGTERM).code(), Some(143));
}

#[test]
fn many_labs_are_made_and_removed_at_once() {
    if skip("many_labs_are_made_and_removed_at_once") {
        return;
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let Fixture {
                        lab,
                        processes: _processes,
                        ..
                    } = Fixture::start("many_labs_are_made_and_removed_at_once");
                    let (id, work_dir) = (lab.id().to_owned(), lab.work_dir().to_owned());
                    lab.teardown().unwrap();
                    assert_eq!(remains_of(&id, &work_dir), [""; 0]);
                }
            });
        }
    });
}

#[test]
fn the_machine_is_unchanged() {
    if skip("the_machine_is_unchanged") {
        return;
    }
    let before = machine::state();
    assert!(before.len() > 50, "the machine's state was not read");
    let Fixture {
        lab,
        pod,
        processes: _processes,
    } = Fixture::start("the_machine_is_unchanged");
    let _responder = responder::serve(&pod, 8080);
    pod.within(|| responder::request(([10, 96, 0, 10], 80).into()))
        .unwrap()
        .unwrap();
    machine::assert_unchanged(&before, "while the lab is up");
    let forwarding = lab.nodes()[0]
        .within(|| fs::read_to_string("/proc/sys/net/ipv4/ip_forward"))
        .unwrap()
        .unwrap();
    assert_eq!(forwarding.trim(), "1");

    lab.teardown().unwrap();
    // The kernel frees the devices of a removed namespace a moment later, and never moves them to
    // this one.
    std::thread::sleep(Duration::from_millis(100));
    machine::assert_unchanged(&before, "after the lab");
}
