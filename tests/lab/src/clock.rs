//! A shifted monotonic clock for one process, by a time namespace. In: the shift. Out: a step
//! between fork and exec.
//!
//! Source: time_namespaces(7). CLOCK_REALTIME has no namespace: it is the machine's in every
//! process.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::write;

/// The shift of a process's CLOCK_MONOTONIC and CLOCK_BOOTTIME against the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockShift {
    /// They are this much later.
    Ahead(Duration),
    /// They are this much earlier.
    Behind(Duration),
}

impl ClockShift {
    /// The lines of /proc/self/timens_offsets: a clock, seconds, and nanoseconds, which are never
    /// negative.
    pub(crate) fn offsets(self) -> String {
        let (seconds, nanoseconds) = match self {
            Self::Ahead(by) => (i128::from(by.as_secs()), by.subsec_nanos()),
            Self::Behind(by) if by.subsec_nanos() == 0 => (-i128::from(by.as_secs()), 0),
            Self::Behind(by) => (
                -i128::from(by.as_secs()) - 1,
                1_000_000_000 - by.subsec_nanos(),
            ),
        };
        format!("monotonic {seconds} {nanoseconds}\nboottime {seconds} {nanoseconds}\n")
    }
}

/// <linux/sched.h>; nix has no name for it.
const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// Moves the calling process, which must have one thread, into a time namespace with these offsets.
/// It makes only system calls and allocates nothing, so it may run between fork and exec.
///
/// # Errors
/// Those of the system calls; EINVAL where the kernel has no time namespaces (CONFIG_TIME_NS, since
/// 5.6).
pub(crate) fn enter(offsets: &str) -> io::Result<()> {
    unshare(CLONE_NEWTIME)?;
    // The offsets are fixed once a process is in the namespace. So far it exists only for children.
    let file = open(
        c"/proc/self/timens_offsets",
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    if write(&file, offsets.as_bytes())? != offsets.len() {
        return Err(Errno::EIO.into());
    }
    // Kernels before 6.3 do not enter the namespace at exec.
    let own = open(
        c"/proc/self/ns/time_for_children",
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    Ok(setns(&own, CLONE_NEWTIME)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_never_negative() {
        let check = |shift: ClockShift, expected: &str| {
            let expected = format!("monotonic {expected}\nboottime {expected}\n");
            assert_eq!(shift.offsets(), expected, "{shift:?}");
        };
        let ms = Duration::from_millis;
        check(ClockShift::Ahead(ms(50)), "0 50000000");
        check(ClockShift::Ahead(ms(1_250)), "1 250000000");
        check(ClockShift::Behind(ms(50)), "-1 950000000");
        check(ClockShift::Behind(ms(2_000)), "-2 0");
        check(ClockShift::Behind(ms(0)), "0 0");
    }
}
