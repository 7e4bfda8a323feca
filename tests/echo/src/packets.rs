//! Sends IPv4 packets as they are, whatever they contain.
//!
//! In: a file with a packet on each line, in hexadecimal digits. Out: the packets, on a raw socket (raw(7):
//! the kernel writes the length and the checksum of the IP header itself).

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd as _,
    path::PathBuf,
};

use anyhow::Context as _;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::step;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the kernel routes the packets to
    #[arg(long)]
    to: Ipv4Addr,
    /// The file
    file: PathBuf,
}

/// Sends all packets.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let file = &args.file;
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let socket = socket(AddressFamily::Inet, kind, flags, SockProtocol::Raw);
    let socket = socket.context("open a raw socket")?;
    let to = SockaddrIn::from(SocketAddrV4::new(args.to, 0));
    for line in text.lines() {
        let packet = step::bytes(line).with_context(|| format!("read the digits {line}"))?;
        sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty())
            .with_context(|| format!("send {line}"))?;
    }
    Ok(())
}
