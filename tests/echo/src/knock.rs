//! An attempt to open a connection that must fail: nothing listens, or packets are dropped.
//!
//! In: an address and a time limit. Out: an error when the connection opens.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::bail;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address to connect to
    address: SocketAddr,
    /// Give up after this many milliseconds
    #[arg(long, default_value_t = 5000)]
    patience: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    knock(args.address, Duration::from_millis(args.patience))
}

/// Tries to connect. When the time is over, it closes the socket.
pub(crate) fn knock(address: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    match TcpStream::connect_timeout(&address, patience) {
        Ok(_) => bail!("{address} accepts connections"),
        Err(error) => {
            eprintln!("{address}: {error}");
            Ok(())
        }
    }
}
