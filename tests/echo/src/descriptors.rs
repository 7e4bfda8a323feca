//! File descriptors: as many as the kernel gives one process.

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What 65,536 connections need, and some more.
const WANTED: u64 = 80_000;

/// Raises RLIMIT_NOFILE, above the hard limit where the process may (CAP_SYS_RESOURCE).
///
/// # Errors
/// When the kernel does not tell the limits, or refuses to raise the soft one to the hard one.
pub(crate) fn raise_limit() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("read RLIMIT_NOFILE")?;
    if soft >= WANTED {
        return Ok(());
    }
    let wanted = WANTED.max(hard);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .context("raise RLIMIT_NOFILE")
}
