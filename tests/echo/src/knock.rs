//! A connection that is not to be opened: where nobody listens, or nothing gets through.
//!
//! In: an address, and how long to wait for it. Out: an error where somebody answers.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::bail;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to connect to
    address: SocketAddr,
    /// Give up after so many milliseconds
    #[arg(long, default_value_t = 5000)]
    patience: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    knock(args.address, Duration::from_millis(args.patience))
}

/// Connects, and gives up by closing the socket.
pub(crate) fn knock(address: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    match TcpStream::connect_timeout(&address, patience) {
        Ok(_) => bail!("{address} accepts connections"),
        Err(error) => {
            eprintln!("{address}: {error}");
            Ok(())
        }
    }
}
