//! Set-up: this machine can build hopspan and run its lab. In: what is installed. Out: a toolchain
//! for the kernel programs, the programs of the lab, its tests and the benchmarks, and a kernel
//! module. A second run finds everything and changes nothing.
//!
//! All checks come before the first change, and each change is announced before it is made.

pub(crate) mod apt;
mod bridge_netfilter;
pub(crate) mod cargo_deny;
mod checks;
mod linker;
mod node;
mod python;
mod rust;

use anyhow::{Context, Result};
use ebpf_toolchain::{Found, Missing};

use crate::progress::note;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use apt::{Apt, Program};
use checks::Facts;

/// What the lab runs.
const LAB_PROGRAMS: [Program; 5] = [
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("iptables-restore", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("nft", "nftables"),
];

/// Clients, proxies and servers that the lab's tests run, and Prometheus. A test whose program is
/// missing skips itself.
const TEST_PROGRAMS: [Program; 8] = [
    ("curl", "curl"),
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("apache2", "apache2-bin"),
    ("h2load", "nghttp2-client"),
    ("nghttp", "nghttp2-client"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
];

/// What builds the page, and what shows it.
const PAGE_PROGRAMS: [Program; 2] = [("npm", "npm"), ("chromium", "chromium")];

/// The load of the benchmarks, its server, and what hopspan is compared with.
const BENCH_PROGRAMS: [Program; 4] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("tcpdump", "tcpdump"),
];

/// Set-up of one workspace.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    workspace: &'a Workspace,
    privilege: &'a Privilege,
    apt: Apt<'a>,
}

impl<'a> Setup<'a> {
    /// Set-up that changes the machine with `privilege`.
    pub(crate) fn new(workspace: &'a Workspace, privilege: &'a Privilege) -> Self {
        Self {
            workspace,
            privilege,
            apt: Apt::new(workspace, privilege),
        }
    }

    /// Checks that the lab can run on this machine; returns what a newer kernel would add.
    ///
    /// # Errors
    /// The first thing that is missing and cannot be installed, with the remedy.
    pub(crate) fn check(&self) -> Result<Vec<String>> {
        let notes = checks::check(&Facts::gather()?)?;
        // Without root this fails here, before anything is changed.
        self.privilege
            .command("true")
            .context("the lab makes network namespaces and loads programs into the kernel")?;
        Ok(notes)
    }

    /// Makes the workspace buildable: a toolchain and a linker for the kernel programs.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_build(&self) -> Result<Found> {
        let (mut rust_is_tried, mut linker_is_tried) = (false, false);
        loop {
            match ebpf_toolchain::find(self.workspace.root()) {
                Ok(found) => return Ok(found),
                Err(missing) if !rust_is_tried && needs_rust(&missing) => {
                    rust_is_tried = true;
                    rust::install(self.workspace, &self.apt)?;
                }
                Err(Missing::Linker { needs_llvm } | Missing::LinkerLlvm { needs_llvm, .. })
                    if !linker_is_tried =>
                {
                    linker_is_tried = true;
                    linker::install(self.workspace, &self.apt, needs_llvm)?;
                }
                Err(missing) => {
                    return Err(missing).context("the kernel programs cannot be built");
                }
            }
        }
    }

    /// Makes the tests runnable: the build, and with `lab` what only lab tests need, as far as
    /// there is root.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand. A program that only some tests run is
    /// noted instead: those tests skip themselves.
    pub(crate) fn prepare_tests(&self, lab: bool) -> Result<Found> {
        let found = self.prepare_build()?;
        if !lab || matches!(self.privilege, Privilege::None { .. }) {
            return Ok(found);
        }
        rust::install_clippy(&self.apt, &found.toolchain)?;
        self.prepare_lab()?;
        let purpose = "programs for the lab's tests";
        let programs = self.apt.install_programs(&TEST_PROGRAMS, purpose);
        let python = python::install(self.workspace, &self.apt, &python::TESTS);
        for error in [programs, python].into_iter().filter_map(Result::err) {
            note(&format!(
                "set-up: {error:#}\n  the tests that need it are skipped"
            ));
        }
        Ok(found)
    }

    /// Installs what checks the dependencies. Of a failure there is a note: the check is skipped.
    pub(crate) fn prepare_dependency_check(&self) {
        if let Err(error) = cargo_deny::install(self.workspace) {
            note(&format!("set-up: {error:#}"));
        }
    }

    /// Installs what checks the page, with `browser` also Chromium. Of a failure there is a note: the
    /// checks are skipped.
    pub(crate) fn prepare_page_check(&self, browser: bool) {
        let programs = if browser {
            &PAGE_PROGRAMS[..]
        } else {
            &PAGE_PROGRAMS[..1]
        };
        let installed = self.apt.install_programs(programs, "programs for the page");
        if let Err(error) = installed {
            note(&format!("set-up: {error:#}"));
        }
    }

    /// Installs the libraries of the matrix of programs. Of a failure there is a note: the test skips
    /// the programs that it lacks.
    pub(crate) fn prepare_program_matrix(&self) {
        let python = python::install(self.workspace, &self.apt, &python::PROGRAM_MATRIX);
        let node = node::install(self.workspace);
        for error in [python, node].into_iter().filter_map(Result::err) {
            note(&format!("set-up: {error:#}"));
        }
    }

    /// Installs the back end that a test exports to.
    ///
    /// # Errors
    /// What could not be installed: the test, which runs on demand only, is about nothing else.
    pub(crate) fn prepare_back_end(&self) -> Result<()> {
        python::install(self.workspace, &self.apt, &python::BACK_END)
    }

    /// Makes the lab runnable: its programs, and the kernel's bridge netfilter.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_lab(&self) -> Result<()> {
        self.apt
            .install_programs(&LAB_PROGRAMS, "the lab's programs")?;
        bridge_netfilter::load(self.workspace, self.privilege)
    }

    /// Makes the benchmarks runnable, once the lab is.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_bench(&self) -> Result<()> {
        let purpose = "programs for the benchmarks";
        self.apt.install_programs(&BENCH_PROGRAMS, purpose)
    }
}

/// Whether another toolchain would help: there is none, or no linker supports the LLVM of any.
fn needs_rust(missing: &Missing) -> bool {
    match missing {
        Missing::LibrarySource => true,
        Missing::Linker { needs_llvm } | Missing::LinkerLlvm { needs_llvm, .. } => {
            needs_llvm.major > linker::NEWEST_LLVM
        }
        Missing::Rustup | Missing::Override { .. } | Missing::Link { .. } => false,
    }
}

/// `cargo xtask setup`: everything, with a summary of what was found.
///
/// # Errors
/// The first thing that is missing and cannot be installed.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    let privilege = Privilege::obtain("to run the lab and to install what it needs");
    let setup = Setup::new(workspace, &privilege);
    let notes = setup.check()?;
    let Found {
        toolchain, linker, ..
    } = setup.prepare_tests(true)?;
    setup.prepare_dependency_check();
    for line in notes {
        note(&format!("set-up: {line}"));
    }
    note(&format!(
        "set-up: kernel programs are built by {} (rustc {}, LLVM {}) and bpf-linker {} (LLVM {})",
        toolchain.name, toolchain.release, toolchain.llvm, linker.release, linker.llvm
    ));
    note("set-up: everything is installed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use ebpf_toolchain::version::Version;

    use super::*;

    #[test]
    fn rust_is_installed_when_there_is_none_or_no_linker_supports_its_llvm() {
        let linker = |major| Missing::Linker {
            needs_llvm: Version::new(major, 1, 0),
        };
        let cases = [
            (Missing::LibrarySource, true),
            (linker(24), true),
            (linker(22), false),
            (Missing::Rustup, false),
        ];
        for (missing, expected) in cases {
            assert_eq!(needs_rust(&missing), expected, "{missing:?}");
        }
    }
}
