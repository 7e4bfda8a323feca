//! One thread per lab that starts all of the lab's processes.
//!
//! The kernel sends the signal of PR_SET_PDEATHSIG when the *thread* that forked ends (prctl(2),
//! and kernel: reparent_leader), not when its process ends. A server that a short-lived thread of a
//! test started would die with that thread. This thread lives until the last handle on its lab is
//! dropped, so the signal is sent when the owner dies.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Context, Result};

/// The sending side. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: Sender<Request>,
}

struct Request {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

impl Spawner {
    pub(crate) fn start() -> Result<Self> {
        let (requests, receiver) = channel();
        let thread = thread::Builder::new().name("lab-spawner".into());
        thread
            .spawn(move || serve(&receiver))
            .context("start the lab's spawner thread")?;
        Ok(Self { requests })
    }

    /// Starts the command and returns when it was executed, or could not be.
    pub(crate) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, answer) = sync_channel(1);
        let ended = |_| io::Error::other("the lab's spawner thread has ended");
        self.requests
            .send(Request { command, reply })
            .map_err(|_| ended(()))?;
        answer.recv().map_err(|_| ended(()))?
    }
}

fn serve(requests: &Receiver<Request>) {
    while let Ok(Request { mut command, reply }) = requests.recv() {
        // It cannot fail: the caller waits for the reply.
        let _ = reply.send(command.spawn());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn a_process_outlives_the_thread_that_requested_it() {
        let spawner = Spawner::start().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        // SAFETY: prctl(2) is a plain system call and touches no memory of the parent.
        unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
        let mut child =
            thread::scope(|scope| scope.spawn(|| spawner.spawn(command)).join().unwrap()).unwrap();

        // A signal for the end of the thread would be pending when join returns; wait until it
        // would have killed.
        thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_program_that_is_missing_is_an_error() {
        let error = Spawner::start()
            .unwrap()
            .spawn(Command::new("/no/such/program"))
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
