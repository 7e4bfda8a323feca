//! The machine that was measured on. In: /proc, and the versions of programs. Out: a table, and
//! JSON.

use std::fs;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// With a higher load average, other processes use the processors.
const QUIET_LOAD: f64 = 0.3;

/// The machine and the programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// ISO 8601, UTC.
    pub(super) date: String,
    /// The revision that was built, and whether the tree had changes.
    pub(super) revision: String,
    kernel: String,
    cpu: String,
    cores: usize,
    /// Whether it is a guest of a hypervisor.
    virtual_machine: bool,
    memory_mib: u64,
    /// Of the minute before the run.
    load_average: Option<f64>,
    /// Each program and its version.
    programs: Vec<(String, String)>,
}

/// Programs, and the arguments with which they print their version.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("nginx", &["-v"]),
    ("wrk", &["-v"]),
    ("h2load", &["--version"]),
    ("tcpdump", &["--version"]),
    ("iptables", &["--version"]),
];

impl Machine {
    /// This machine, now.
    pub(super) fn this(revision: &str) -> Self {
        let cpu = read("/proc/cpuinfo");
        let field = |key: &str| {
            let value = cpu.lines().find(|line| line.starts_with(key))?;
            Some(value.split_once(':')?.1.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        Self {
            date: first_line("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]).unwrap_or_default(),
            revision: revision.to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: cores(),
            virtual_machine: flags.split(' ').any(|flag| flag == "hypervisor"),
            memory_mib: memory_mib(&read("/proc/meminfo")),
            load_average: load_average(&read("/proc/loadavg")),
            programs: PROGRAMS
                .into_iter()
                .map(|(name, args)| {
                    let version =
                        first_line(name, args).unwrap_or_else(|| "not installed".to_owned());
                    (name.to_owned(), version)
                })
                .collect(),
        }
    }

    /// A warning, where other processes use this machine.
    pub(super) fn warning(&self) -> Option<String> {
        let load = self.load_average.filter(|load| *load > QUIET_LOAD)?;
        Some(format!(
            "the load average is {load}: other processes use this machine, which makes the numbers wrong"
        ))
    }

    /// Everything in rows.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new("measured on", &["", ""]);
        let mut row = |what: &str, value: String| table.row(vec![what.to_owned(), value]);
        row("date", self.date.clone());
        row("revision", self.revision.clone());
        row("kernel", self.kernel.clone());
        let kind = match self.virtual_machine {
            true => ", virtual machine",
            false => "",
        };
        row("processor", format!("{}{kind}", self.cpu));
        row("cores", self.cores.to_string());
        row("memory", format!("{} MiB", self.memory_mib));
        let load = self.load_average.map(|load| load.to_string());
        row("load average before", load.unwrap_or_default());
        for (name, version) in &self.programs {
            row(name, version.clone());
        }
        table
    }
}

/// How many processors this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn memory_mib(meminfo: &str) -> u64 {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split(' ').next()?.parse().ok()
}

/// The first line of a program's output, on either stream: some print their version and fail.
fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let bytes = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        assert_eq!(
            memory_mib("MemTotal:       24684520 kB\nMemFree: 1 kB\n"),
            24105
        );
        assert_eq!(memory_mib(""), 0);
        assert_eq!(load_average("0.52 0.37 0.95 1/200 4242\n"), Some(0.52));
        assert_eq!(load_average(""), None);
    }

    #[test]
    fn a_busy_machine_has_a_warning() {
        let mut machine = Machine::this("0123abc");
        machine.load_average = Some(0.1);
        assert_eq!(machine.warning(), None);
        machine.load_average = Some(1.5);
        assert!(machine.warning().unwrap().contains("1.5"));
        let text = machine.table().text();
        assert!(
            text.contains("0123abc") && text.contains("kernel"),
            "{text}"
        );
    }
}
