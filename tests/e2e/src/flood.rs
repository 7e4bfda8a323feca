//! A pod that floods another one, beside the traffic that a test is about.
//!
//! In: a node. Out: floods of the kinds of `echo flood`, and which exchanges are theirs.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use hopspan_lab::{Node, Pod, Process};

use crate::{CollectedExchange, echo, echo::listening};

const PORT: u16 = 8081;
/// The high half of the trace id of all messages of a flood.
const TRACE: u128 = 0xf100_d000_0000_0000;
/// How long the flooded process may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Two pods, of which one sends and the other reads and answers nothing.
pub struct Flood {
    attacker: Pod,
    target: Pod,
    sink: Process,
}

impl Flood {
    /// Makes the pods, and waits until the one that is flooded listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(node: &Node) -> Result<Self> {
        let attacker = node.pod("flood", "attacker")?;
        let target = node.pod("flood", "target")?;
        let address = SocketAddr::new(target.ip().into(), PORT);
        let command = echo(&target)?.args(["sink", "--listen", &address.to_string()]);
        Ok(Self {
            sink: listening(command, PORT)?,
            attacker,
            target,
        })
    }

    /// Starts to send messages of a kind of `echo flood` as fast as they are taken.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, kind: &str, duration: Duration) -> Result<Process> {
        let seconds = duration.as_secs().to_string();
        let address = SocketAddr::new(self.target.ip().into(), PORT);
        echo(&self.attacker)?
            .args(["flood", "--kind", kind, "--seconds", &seconds])
            .args(["--to", &address.to_string()])
            .spawn()
    }

    /// The addresses of both, in ascending order of their text.
    pub fn addresses(&self) -> [String; 2] {
        let mut addresses = [self.attacker.ip().to_string(), self.target.ip().to_string()];
        addresses.sort_unstable();
        addresses
    }

    /// Ends the process that is flooded.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(&mut self) -> Result<()> {
        self.sink.terminate(END_LIMIT)?;
        Ok(())
    }

    /// Whether an exchange is of a flood.
    pub fn has(exchange: &CollectedExchange) -> bool {
        exchange.trace_id >> 64 == TRACE
    }
}
