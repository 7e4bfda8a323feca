//! The thread that watches which devices are uplinks.
//!
//! In: links, routes, and rtnetlink's notifications of their changes. Out: the uplinks at the
//! start, and after each change. Changes within half a second share one reading, and readings take
//! at most a twentieth of the thread's time.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{error_chain::error_chain, netlink::NetlinkError};

use super::{
    choice::{Uplinks, choose},
    rtnetlink::Rtnetlink,
};

/// From a notification to the reading, which includes the changes in between.
const SETTLE: Duration = Duration::from_millis(500);
/// The pause after a reading, in multiples of its duration.
const PAUSE_PER_READ: u32 = 20;
/// How often links and routes are read while notifications or readings fail.
const POLL: Duration = Duration::from_secs(30);

/// Reads the current uplinks, and starts the thread that sends them whenever they change. On an
/// error, which is logged, there are none.
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
    // Holds one: the thread reads nothing until the receiver takes it.
    let (sender, receiver) = mpsc::channel(1);
    let watcher = Watcher {
        rtnetlink,
        names,
        sent: first.clone(),
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
    #[error("read links and routes from rtnetlink")]
    Read(#[from] NetlinkError),
    #[error("start the thread that watches links and routes")]
    Thread(#[source] io::Error),
}

struct Watcher {
    rtnetlink: Rtnetlink,
    names: Vec<String>,
    /// The uplinks that were sent last.
    sent: Uplinks,
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
                    log_delay(error);
                    thread::sleep(POLL);
                }
            }
            let started = Instant::now();
            match self.rtnetlink.network() {
                Ok(network) => {
                    has_failed = false;
                    let uplinks = choose(&network, &self.names);
                    if uplinks != self.sent {
                        if self.sender.blocking_send(uplinks.clone()).is_err() {
                            return;
                        }
                        self.sent = uplinks;
                    }
                }
                Err(error) => {
                    has_failed = true;
                    log_delay(error);
                }
            }
            thread::sleep(started.elapsed() * PAUSE_PER_READ);
        }
    }
}

fn log_delay(error: NetlinkError) {
    let error = WatchError::from(error);
    tracing::warn!("changes of uplinks are seen late: {}", error_chain(&error));
}
