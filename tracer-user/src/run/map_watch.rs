//! Counts the entries of the programs' maps, on a thread of its own.
//!
//! In: the maps. Out: how full each is, in the status. Counting full maps takes milliseconds, for which
//! the agent's loop does not wait.

use std::{io, sync::Arc, thread, time::Duration};

use crate::capture::EntryCounts;

use super::status::Status;

/// The time between two counts.
const EVERY: Duration = Duration::from_secs(15);

/// Counts from now on, until the process ends.
///
/// # Errors
///
/// If the thread cannot be started.
pub(super) fn start(mut maps: EntryCounts, status: Arc<Status>) -> io::Result<()> {
    let count = move || {
        loop {
            status.set_maps(maps.count());
            thread::sleep(EVERY);
        }
    };
    let thread = thread::Builder::new().name("maps".to_owned());
    thread.spawn(count).map(drop)
}
