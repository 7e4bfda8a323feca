//! Tells when the rules of nf_tables change, which is also where Debian's `iptables` keeps its own.
//!
//! Listens to the kernel's notifications in the agent's network namespace (nfnetlink multicast group
//! NFNLGRP_NFTABLES). The legacy back end of iptables sends none: its changes are seen when the
//! rules are next read by the clock.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
    },
};

/// kernel: enum nfnetlink_groups, NFNLGRP_NFTABLES = 7; groups up to 32 are a bit mask.
const NFTABLES_GROUP: u32 = 1 << (7 - 1);
/// A change comes in many messages; the rules are read once, after the last of them.
const SETTLE: Duration = Duration::from_millis(50);

/// The kernel's notifications.
#[derive(Debug)]
pub struct RuleChanges(OwnedFd);

impl RuleChanges {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the kernel has no nfnetlink.
    pub fn listen() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, NFTABLES_GROUP))?;
        Ok(Self(socket))
    }

    /// Blocks until the next change is complete, or `timeout` has passed.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut sockets = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut sockets, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        drain(&self.0)?;
        thread::sleep(SETTLE);
        drain(&self.0)
    }
}

/// Takes all messages, whatever they say.
fn drain(socket: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            // ENOBUFS: more changes than the socket's buffer holds, and that is a change.
            Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
