//! The limit on open files of this process.

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Enough for 65,536 connections.
const WANTED: u64 = 80_000;

/// Raises RLIMIT_NOFILE; above the hard limit only with CAP_SYS_RESOURCE.
///
/// # Errors
/// When the limits cannot be read, or the soft one cannot be raised to the hard one.
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
