//! How often a program has run, and for how long. In: the kernel's information about a program.
//! Out: sums.

use aya::programs::ProgramInfo;

/// The runs of one or more programs, as the kernel counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Runs {
    runs: u64,
    run_ns: u64,
}

impl Runs {
    /// Adds a program's runs since it was loaded.
    pub(super) fn add(&mut self, program: &ProgramInfo) {
        self.runs += program.run_count();
        self.run_ns += u64::try_from(program.run_time().as_nanos()).unwrap_or(u64::MAX);
    }
}
