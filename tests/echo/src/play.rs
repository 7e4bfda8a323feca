//! One end of a connection that is scripted on the command line: every byte, pause and end.
//!
//! In: steps. Out: a client or a server that does them, prints each on standard error, and ends; or
//! an error that names the step that failed. Knows no protocol.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, bail, ensure};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

use crate::{fast_open, knock::knock, step::Step};

/// Bytes of one write or read.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes after which a step gives up waiting for others.
const UNTIL_MAX_BYTES: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Be the client of the server at this address
    #[arg(long, conflicts_with = "listen", required_unless_present = "listen")]
    connect: Option<SocketAddr>,
    /// Send the first bytes in the SYN, if the kernel has a cookie of the server
    #[arg(long, conflicts_with = "listen")]
    fast_open: bool,
    /// Be the server of one connection to this address
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The steps: `send HEX`, `fill N`, `until HEX`, `take N`, `pause MS`, `shut`, `end`, `reset`,
    /// `hang`, `knock ADDRESS MS`
    steps: Vec<Step>,
}

/// A connection, and bytes that were read before a step needed them.
struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
}

/// Does the steps. It blocks: the process does nothing else.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let stream = match (args.connect, args.listen) {
        (Some(address), _) if args.fast_open => fast_open::connect(address)?,
        (Some(address), _) => {
            TcpStream::connect(address).with_context(|| format!("connect to {address}"))?
        }
        (None, Some(address)) => accept(address)?,
        (None, None) => bail!("neither --connect nor --listen"),
    };
    // Each write becomes a segment of its own, unless it is longer than a segment.
    stream.set_nodelay(true).context("set TCP_NODELAY")?;
    let mut connection = Connection {
        stream,
        ahead: Vec::new(),
    };
    for (index, step) in args.steps.iter().enumerate() {
        connection
            .step(step)
            .with_context(|| format!("step {index}: {step:?}"))?;
        // The starter of this process may wait for this line.
        eprintln!("did step {index}");
    }
    Ok(())
}

fn accept(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
    let (stream, _) = listener.accept().context("accept a connection")?;
    Ok(stream)
}

impl Connection {
    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Send(bytes) => self.stream.write_all(bytes)?,
            Step::Fill(bytes) => self.fill(*bytes)?,
            Step::Until(bytes) => self.until(bytes)?,
            Step::Take(bytes) => self.take(*bytes)?,
            Step::Pause(time) => thread::sleep(*time),
            Step::Shut => self.stream.shutdown(Shutdown::Write)?,
            Step::End => self.end()?,
            // The RST is sent when the process ends.
            Step::Reset => {
                let at_once = libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                setsockopt(&self.stream, sockopt::Linger, &at_once)?;
            }
            Step::Knock(address, patience) => knock(*address, *patience)?,
            Step::Hang => loop {
                thread::park();
            },
        }
        Ok(())
    }

    fn fill(&mut self, bytes: u64) -> anyhow::Result<()> {
        let chunk = [b'.'; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            self.stream.write_all(&chunk[..now])?;
            left -= now as u64;
        }
        Ok(())
    }

    fn until(&mut self, wanted: &[u8]) -> anyhow::Result<()> {
        loop {
            let found = self
                .ahead
                .windows(wanted.len())
                .position(|window| window == wanted);
            if let Some(at) = found {
                self.ahead.drain(..at + wanted.len());
                return Ok(());
            }
            ensure!(
                self.ahead.len() < UNTIL_MAX_BYTES,
                "not found in {} bytes",
                self.ahead.len()
            );
            if self.read()? == 0 {
                bail!(
                    "the other end sent no more than {:?}",
                    String::from_utf8_lossy(&self.ahead)
                );
            }
        }
    }

    fn take(&mut self, bytes: u64) -> anyhow::Result<()> {
        let mut left = bytes;
        loop {
            let now = self
                .ahead
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            self.ahead.drain(..now);
            left -= now as u64;
            if left == 0 {
                return Ok(());
            }
            if self.read()? == 0 {
                bail!("the other end closed {left} bytes too early");
            }
        }
    }

    fn end(&mut self) -> anyhow::Result<()> {
        loop {
            self.ahead.clear();
            match self.read() {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the bytes that have arrived, or waits for some. Returns how many; 0 at the end of the
    /// stream.
    fn read(&mut self) -> std::io::Result<usize> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let bytes = self.stream.read(&mut chunk)?;
        self.ahead.extend_from_slice(&chunk[..bytes]);
        Ok(bytes)
    }
}
