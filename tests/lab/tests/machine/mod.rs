//! What a lab leaves behind or changes on the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hopspan_lab::poll;

/// Everything on the machine that has this lab's id in its name.
pub(crate) fn remains_of(id: &str, work_dir: &Path) -> Vec<String> {
    let mut remains: Vec<String> = entries("/run/netns")
        .filter(|name| name.starts_with(&format!("hs{id}")))
        .collect();
    let lock = format!("/run/hopspan-lab/{id}.lock");
    for path in [Path::new(&lock), work_dir] {
        remains.extend(path.exists().then(|| path.display().to_string()));
    }
    let cgroup = format!("hopspan-lab-{id}");
    for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        remains.extend(entries(mount).filter(|name| *name == cgroup));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    remains.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&format!("hs{id}-")))
            .map(str::to_owned),
    );
    for pid in entries("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        // A dead process whose parent has not waited for it has no memory, so no command line.
        let is_alive = fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        remains.extend((is_alive && groups.contains(&cgroup)).then(|| format!("process {pid}")));
    }
    remains
}

/// Waits until another process has removed a lab.
pub(crate) fn wait_until_gone(id: &str, work_dir: &Path) {
    let is_gone = || remains_of(id, work_dir).is_empty().then_some(());
    let gone = poll(Duration::from_secs(10), is_gone);
    assert!(gone.is_some(), "left: {:?}", remains_of(id, work_dir));
}

/// The machine's own devices, routes, rules and network sysctls, by name.
pub(crate) fn state() -> BTreeMap<String, String> {
    const SYSCTLS: [&str; 6] = [
        "net/bridge",
        "net/ipv4",
        "net/ipv4/conf/all",
        "net/ipv4/conf/default",
        "net/ipv6/conf/all",
        "net/netfilter",
    ];
    let mut state = BTreeMap::from([
        ("links".to_owned(), run("ip", &["-o", "link"])),
        (
            "routes".to_owned(),
            run("ip", &["-4", "route", "show", "table", "all"]),
        ),
        (
            "IPv6 routes".to_owned(),
            run("ip", &["-6", "route", "show", "table", "main"]),
        ),
        ("rules".to_owned(), rules(&run("iptables-save", &[]))),
        ("IPv6 rules".to_owned(), rules(&run("ip6tables-save", &[]))),
        ("tables".to_owned(), run("nft", &["list", "tables"])),
    ]);
    for directory in SYSCTLS.map(|directory| format!("/proc/sys/{directory}")) {
        for path in entries(&directory).map(|name| format!("{directory}/{name}")) {
            // Counters change by themselves.
            if !path.ends_with("_count") && Path::new(&path).is_file() {
                let value = fs::read_to_string(&path).unwrap_or_default();
                state.insert(path, value);
            }
        }
    }
    state
}

/// Asserts that everything is as before. New settings are allowed: the first lab may load a kernel
/// module.
pub(crate) fn assert_unchanged(before: &BTreeMap<String, String>, when: &str) {
    let now = state();
    for (key, value) in before {
        assert_eq!(now.get(key), Some(value), "{key} {when}");
    }
}

/// iptables-save without times and packet counters.
fn rules(saved: &str) -> String {
    let lines = saved.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(" [").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn entries(directory: &str) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names.into_iter()
}
