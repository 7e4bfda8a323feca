//! A connection of TCP Fast Open (RFC 7413): its SYN carries the first bytes that are sent.

use std::{
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect as connect_socket, setsockopt,
    socket, sockopt,
};

/// Connects to a server. If the kernel has a cookie of the server, the SYN waits for the first
/// bytes; otherwise it asks for one.
pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None).context("make a socket")?;
    setsockopt(&socket, sockopt::TcpFastOpenConnect, &true).context("set TCP_FASTOPEN_CONNECT")?;
    connect_socket(socket.as_raw_fd(), &SockaddrStorage::from(address))
        .with_context(|| format!("connect to {address}"))?;
    Ok(socket.into())
}
