//! Tears down this process's labs on SIGINT and SIGTERM.
//!
//! In: the two signals, where the owner has called [`teardown_on_signal`]. Out: no lab is left, and
//! the process exits with 130 or 143.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::mutex::lock;
use crate::resources::Resources;

/// The labs of this process, which a signal tears down.
static LIVE: Mutex<Vec<Arc<Resources>>> = Mutex::new(Vec::new());
static INSTALLED: AtomicBool = AtomicBool::new(false);
static EXITING: AtomicBool = AtomicBool::new(false);

/// Makes SIGINT and SIGTERM tear down every lab of this process and end it with status 130 or 143
/// (128 plus the signal's number, as a shell reports it). The owner's `main` calls it once, before
/// the first lab.
///
/// # Errors
/// When it was called before, or the handlers cannot be installed.
pub fn teardown_on_signal() -> Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        bail!("teardown on signal is installed already");
    }
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).context("install handlers for SIGINT and SIGTERM")?;
    let thread = thread::Builder::new().name("lab-signals".into());
    let started = thread.spawn(move || {
        if let Some(signal) = signals.forever().next() {
            teardown_all_and_exit(128 + signal);
        }
    });
    started.context("start the lab's signal thread")?;
    Ok(())
}

/// Makes a lab's resources in such a way that a signal at any time tears them down.
pub(crate) fn register(take: impl FnOnce() -> Result<Arc<Resources>>) -> Result<Arc<Resources>> {
    let mut live = live();
    if EXITING.load(Ordering::SeqCst) {
        drop(live);
        wait_for_exit();
    }
    let resources = take()?;
    live.push(Arc::clone(&resources));
    Ok(resources)
}

/// Forgets a lab that was removed. Does not return when a signal is ending the process: its exit
/// status is the signal's, not that of an owner whose commands were killed.
pub(crate) fn unregister(resources: &Arc<Resources>) {
    if EXITING.load(Ordering::SeqCst) {
        wait_for_exit();
    }
    live().retain(|other| !Arc::ptr_eq(other, resources));
}

fn teardown_all_and_exit(status: i32) -> ! {
    // Set under the lock: a lab that is being registered is either in the list or never made.
    let labs = {
        let live = live();
        EXITING.store(true, Ordering::SeqCst);
        live.clone()
    };
    for lab in labs {
        if let Err(error) = lab.teardown() {
            eprintln!("hopspan-lab: {error:#}; the next lab tries again");
        }
    }
    process::exit(status)
}

fn wait_for_exit() -> ! {
    loop {
        thread::park();
    }
}

fn live() -> MutexGuard<'static, Vec<Arc<Resources>>> {
    lock(&LIVE)
}
