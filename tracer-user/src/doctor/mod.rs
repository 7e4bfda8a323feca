//! `hopspan doctor`: what this kernel and this process's privileges let hopspan see.
//!
//! In: the state of the machine, and a trial that loads, attaches and at once detaches every
//! program. Out: a page for people or JSON for programs, and the exit status: 0 when everything is
//! seen, 1 when something is missing. Nothing is pinned, written or left behind.

mod capability;
mod check;
mod hooks;
mod kernel;
mod network;
mod page;
mod rules;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;

use crate::attach::{Follow, Options, cgroup2};

use check::{Check, State};
use hooks::HookState;

/// Check what this kernel and these privileges let hopspan see, and what is missing.
///
/// Loads and attaches every program as `hopspan run` does, and detaches it at once. Exit status: 0
/// when nothing is missing, 1 when something is.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The cgroup that `hopspan run` is to follow [default: the root of the cgroup v2 file system]
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The results of all checks and of the trial.
#[derive(Debug, serde::Serialize)]
struct Diagnosis {
    /// Nothing is missing.
    complete: bool,
    /// `uname -r`.
    kernel: String,
    checks: Vec<Check>,
    hooks: Vec<HookState>,
}

/// Runs the checks and the trial, and prints the results.
///
/// # Errors
///
/// When the result cannot be printed. Something missing is an exit status and no error.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let diagnosis = diagnose(args);
    let text = if args.json {
        serde_json::to_string_pretty(&diagnosis).context("write the diagnosis as JSON")? + "\n"
    } else {
        page::render(&diagnosis)
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("print the diagnosis")?;
    Ok(if diagnosis.complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn diagnose(args: &Args) -> Diagnosis {
    let release = kernel::release();
    let cgroup = cgroup2::find(args.cgroup.as_deref());
    let mut checks = vec![kernel::version(&release), kernel::types()];
    checks.extend(kernel::lockdown());
    checks.push(network::cgroup(&cgroup));
    checks.extend(capability::checks());
    checks.extend([kernel::ring_buffer(), kernel::bpf_loop()]);
    let trial = match cgroup {
        Ok(cgroup) => hooks::trial(&Options {
            cgroup,
            debug: false,
            only_fallbacks: false,
            follow: Follow::default(),
        }),
        Err(error) => hooks::all_missing(&error),
    };
    checks.push(network::netfilter_links(&trial));
    checks.extend([network::conntrack(), network::bridges(), network::uplinks()]);
    checks.extend([rules::reading(), rules::changes()]);
    let hooks = trial.hooks;
    Diagnosis {
        complete: is_complete(&checks, &hooks),
        kernel: release,
        checks,
        hooks,
    }
}

fn is_complete(checks: &[Check], hooks: &[HookState]) -> bool {
    let missing = |state: State| state == State::Missing;
    !checks.iter().any(|check| missing(check.state))
        && !hooks.iter().any(|hook| missing(hook.state))
}

#[cfg(test)]
mod tests {
    use tracer_common::hook::Hook;

    use super::*;

    #[test]
    fn a_note_is_complete_and_something_missing_is_not() {
        let fine = Check::good("btf", "there");
        let note = Check::note("bridges", "no module", "load it");
        let missing = Check::missing("bpf_loop", "too old", "HTTP/2", "boot a newer one");
        let hook = HookState::attached(Hook::SocketRead, "socket_read");
        let none = HookState::missing(Hook::PacketDrop, "refused".to_owned());
        let check = |checks: &[&Check], hooks: &[&HookState], expected: bool| {
            let checks: Vec<Check> = checks.iter().map(|check| (*check).clone()).collect();
            let hooks: Vec<HookState> = hooks.iter().map(|hook| (*hook).clone()).collect();
            assert_eq!(is_complete(&checks, &hooks), expected);
        };
        check(&[&fine, &note], &[&hook], true);
        check(&[&fine, &missing], &[&hook], false);
        check(&[&fine], &[&hook, &none], false);
    }

    #[test]
    fn without_a_cgroup_every_hook_is_missing_for_this_reason() {
        let args = Args {
            cgroup: Some(PathBuf::from("/proc")),
            json: true,
        };
        let diagnosis = diagnose(&args);
        assert!(!diagnosis.complete);
        assert_eq!(diagnosis.hooks.len(), Hook::ALL.len());
        for hook in &diagnosis.hooks {
            assert_eq!(hook.state, State::Missing);
            let reason = hook.reason.as_deref().unwrap_or_default();
            assert!(
                reason.contains("/proc is not a directory of a cgroup v2"),
                "{reason}"
            );
        }
        let json = serde_json::to_value(&diagnosis).unwrap();
        assert_eq!(json["complete"], false);
        assert_eq!(json["hooks"][0]["hook"], "cgroup_egress");
        assert_eq!(json["hooks"][0]["state"], "missing");
    }
}
