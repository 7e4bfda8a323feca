//! Set-up: makes this machine able to build hopspan and to run its lab. In: what is there. Out: a
//! toolchain for the kernel programs, and the lab's programs and kernel module. All of it is found
//! by looking, so that a second run does nothing.
//!
//! Every check comes before the first change, and every change is announced before it is made.

pub(crate) mod apt;
mod checks;
mod distribution;
mod linker;
mod network;
mod programs;
mod rust;
mod test_programs;

use anyhow::{Context, Result};
use ebpf_toolchain::{Found, Missing};

use crate::progress::note;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use apt::Apt;
use checks::Facts;
use distribution::Distribution;

/// Set-up of one workspace.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    workspace: &'a Workspace,
    distribution: Distribution,
    privilege: &'a Privilege,
}

impl<'a> Setup<'a> {
    /// Set-up that changes the machine with `privilege`.
    pub(crate) fn new(workspace: &'a Workspace, privilege: &'a Privilege) -> Self {
        Self {
            workspace,
            distribution: Distribution::of_this_machine(),
            privilege,
        }
    }

    /// Checks that the lab can run on this machine; says what a newer kernel would show.
    ///
    /// # Errors
    /// The first thing that is missing and cannot be installed, with the remedy.
    pub(crate) fn check(&self) -> Result<Vec<String>> {
        let notes = checks::check(&Facts::gather()?)?;
        // Fails here, before anything is changed, when root is not to be had.
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
                    rust::install(self)?;
                }
                Err(Missing::Linker { needs_llvm } | Missing::LinkerLlvm { needs_llvm, .. })
                    if !linker_is_tried =>
                {
                    linker_is_tried = true;
                    linker::install(self, needs_llvm)?;
                }
                Err(missing) => {
                    return Err(missing).context("the kernel programs cannot be built");
                }
            }
        }
    }

    /// Makes tests able to run: the build, and with `lab` what only some of them need. What those
    /// lack where there is no root, they say themselves.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_tests(&self, lab: bool) -> Result<Found> {
        let found = self.prepare_build()?;
        if lab && !matches!(self.privilege, Privilege::None { .. }) {
            rust::install_clippy(self, &found.toolchain)?;
            self.prepare_lab()?;
            test_programs::install_missing(self);
        }
        Ok(found)
    }

    /// Makes the lab able to run: its programs, and the kernel's bridge netfilter.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_lab(&self) -> Result<()> {
        programs::install_missing(self)?;
        programs::load_bridge_netfilter(self)
    }

    /// Makes the benchmarks able to run: the programs that they load, and load with.
    ///
    /// # Errors
    /// What could not be installed, with what to do by hand.
    pub(crate) fn prepare_bench(&self) -> Result<()> {
        test_programs::install_for_bench(self)
    }

    fn apt(&self) -> Apt<'_> {
        Apt {
            workspace: self.workspace,
            privilege: self.privilege,
        }
    }
}

/// Whether a toolchain would help: there is none, or each is too new for every linker there is.
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
/// The first thing that is missing and cannot be had.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    let privilege = Privilege::obtain("to run the lab and to install what it needs");
    let setup = Setup::new(workspace, &privilege);
    let notes = setup.check()?;
    let found = setup.prepare_tests(true)?;
    for line in notes {
        note(&format!("set-up: {line}"));
    }
    note(&format!(
        "set-up: kernel programs are built by {} (rustc {}, LLVM {}) and bpf-linker {} (LLVM {})",
        found.toolchain.name,
        found.toolchain.release,
        found.toolchain.llvm,
        found.linker.release,
        found.linker.llvm
    ));
    note("set-up: all there");
    Ok(())
}

#[cfg(test)]
mod tests {
    use ebpf_toolchain::version::Version;

    use super::*;

    #[test]
    fn a_toolchain_is_fetched_when_there_is_none_or_no_linker_can_serve_it() {
        let cases = [
            (Missing::LibrarySource, true),
            (
                Missing::Linker {
                    needs_llvm: Version::new(24, 1, 0),
                },
                true,
            ),
            (
                Missing::Linker {
                    needs_llvm: Version::new(22, 1, 0),
                },
                false,
            ),
            (Missing::Rustup, false),
        ];
        for (missing, expected) in cases {
            assert_eq!(needs_rust(&missing), expected, "{missing:?}");
        }
    }
}
