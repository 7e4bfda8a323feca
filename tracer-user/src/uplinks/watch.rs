//! A thread that tells which devices are uplinks, at once and whenever that changes.
//!
//! It listens to rtnetlink's notifications of links and routes, and reads again after each: what else
//! changes within half a second is read with it, and reading takes at most a twentieth of its time.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::error_chain::error_chain;

use super::{
    choice::{Uplinks, choose},
    rtnetlink::{Rtnetlink, RtnetlinkError},
};

/// What else changes until then is read with it.
const SETTLE: Duration = Duration::from_millis(500);
/// Time between readings, in times of what the last one took.
const REST: u32 = 20;
/// How often it is read where notifications fail.
const POLL: Duration = Duration::from_secs(30);

/// Reads which devices are uplinks now, and starts the thread that tells the next ones. Where that is
/// refused there are none, which is said.
pub(crate) fn watch(names: Vec<String>) -> (Uplinks, mpsc::Receiver<Uplinks>) {
    start(names).unwrap_or_else(|error| {
        tracing::warn!("the node's uplinks are not known: {}", error_chain(&error));
        let (_, nothing) = mpsc::channel(1);
        (Uplinks::default(), nothing)
    })
}

fn start(names: Vec<String>) -> Result<(Uplinks, mpsc::Receiver<Uplinks>), WatchError> {
    let mut rtnetlink = Rtnetlink::open()?;
    let first = choose(&rtnetlink.network()?, &names);
    // Holds one: until it is taken, nothing is read.
    let (sender, receiver) = mpsc::channel(1);
    let watcher = Watcher {
        rtnetlink,
        names,
        told: first.clone(),
        sender,
    };
    thread::Builder::new()
        .name("uplinks".into())
        .spawn(move || watcher.run())
        .map_err(WatchError::Thread)?;
    Ok((first, receiver))
}

/// Why uplinks are not known.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Rtnetlink(#[from] RtnetlinkError),
    #[error("start the thread that watches links and routes")]
    Thread(#[source] io::Error),
}

struct Watcher {
    rtnetlink: Rtnetlink,
    names: Vec<String>,
    told: Uplinks,
    sender: mpsc::Sender<Uplinks>,
}

impl Watcher {
    fn run(mut self) {
        let mut has_failed = false;
        loop {
            match self.rtnetlink.wait(POLL) {
                Ok(true) => thread::sleep(SETTLE),
                Ok(false) if !has_failed => continue,
                Ok(false) => {}
                Err(error) => {
                    late(&error);
                    thread::sleep(POLL);
                }
            }
            let started = Instant::now();
            match self.rtnetlink.network() {
                Ok(network) => {
                    has_failed = false;
                    let uplinks = choose(&network, &self.names);
                    if uplinks != self.told {
                        if self.sender.blocking_send(uplinks.clone()).is_err() {
                            return;
                        }
                        self.told = uplinks;
                    }
                }
                Err(error) => {
                    has_failed = true;
                    late(&error);
                }
            }
            thread::sleep(started.elapsed() * REST);
        }
    }
}

fn late(error: &RtnetlinkError) {
    tracing::warn!("changes of uplinks are seen late: {error}");
}
