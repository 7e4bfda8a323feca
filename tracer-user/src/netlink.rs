//! Sockets of the kernel's netlink families (netlink(7)), in the network namespace of the thread
//! that opens them: one that sends requests, one that receives notifications. In: a request, or
//! multicast groups. Out: the kernel's messages as type and payload. Knows no family's attributes.
//!
//! A dump is an answer of many messages. When its objects change before the last message, the
//! kernel sets NLM_F_DUMP_INTR, and the dump has to be read again.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::Duration,
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv,
            send, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

/// struct nlmsghdr.
const HEADER_BYTES: usize = 16;
/// The kernel fills buffers of at most 32 KiB (kernel: netlink_recvmsg, max_recvmsg_len).
const BUFFER_BYTES: usize = 64 << 10;
/// The kernel answers within milliseconds. An answer that takes longer than this is an error.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a netlink request has no answer. The caller's error names the family and the objects.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A system call on the socket failed.
    #[error("use a netlink socket")]
    Socket(#[from] io::Error),
    /// The kernel answered with this error number.
    #[error("the kernel refuses the request")]
    Refused(#[source] Errno),
    /// The objects changed during the dump.
    #[error("the objects changed while they were read")]
    Changed,
    /// The answer breaks the format of netlink(7).
    #[error("the answer is malformed")]
    Malformed,
    /// The answer is larger than the socket's bound.
    #[error("the answer is larger than {} MiB", max_bytes >> 20)]
    TooLarge {
        /// The bound.
        max_bytes: usize,
    },
}

impl From<Errno> for NetlinkError {
    fn from(error: Errno) -> Self {
        Self::Socket(error.into())
    }
}

/// A socket for requests.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    max_answer_bytes: usize,
}

impl Netlink {
    /// Opens the socket. An answer of more than `max_answer_bytes` is refused.
    pub(super) fn open(
        protocol: SockProtocol,
        max_answer_bytes: usize,
    ) -> Result<Self, NetlinkError> {
        let socket = bound_socket(protocol, SockFlag::empty(), 0)?;
        let timeout = TimeVal::milliseconds(ANSWER_TIMEOUT.as_millis() as i64);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: vec![0; BUFFER_BYTES],
            max_answer_bytes,
        })
    }

    /// Sends a request and passes type and payload of each message of the answer to `each`. Reads
    /// to the end of a dump also when the objects changed, so that the next request finds an empty
    /// socket.
    pub(super) fn request(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request_message(kind, flags, self.sequence, body);
        send(self.socket.as_raw_fd(), &request, MsgFlags::empty())?;
        let mut answer = Answer {
            sequence: self.sequence,
            is_dump: flags & NLM_F_DUMP != 0,
            changed: false,
        };
        let mut total = 0;
        loop {
            let bytes = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(bytes) => bytes,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            total += bytes;
            if total > self.max_answer_bytes {
                return Err(NetlinkError::TooLarge {
                    max_bytes: self.max_answer_bytes,
                });
            }
            let datagram = self.buffer.get(..bytes).unwrap_or_default();
            if answer.take(datagram, each)? {
                return if answer.changed {
                    Err(NetlinkError::Changed)
                } else {
                    Ok(())
                };
            }
        }
    }
}

/// A non-blocking socket that receives the notifications of multicast groups.
#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// What a [`Listener`] received.
pub(super) enum Received<'b> {
    /// A datagram of notifications, cut to the listener's buffer.
    Datagram(&'b [u8]),
    /// Notifications were lost because the socket's buffer was full (ENOBUFS).
    Loss,
}

impl Listener {
    /// Opens the socket. `groups` is a bit mask; longer datagrams than `buffer_bytes` are cut.
    pub(super) fn open(
        protocol: SockProtocol,
        groups: u32,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            socket: bound_socket(protocol, SockFlag::SOCK_NONBLOCK, groups)?,
            buffer: vec![0; buffer_bytes],
        })
    }

    /// Waits for a notification; false when `timeout` passes without one.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut sockets, timeout) {
            Ok(0) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads every notification that is queued.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Received<'_>)) -> io::Result<()> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(bytes) => {
                    let datagram = self.buffer.get(..bytes).unwrap_or_default();
                    each(Received::Datagram(datagram));
                }
                Err(Errno::ENOBUFS) => each(Received::Loss),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn bound_socket(protocol: SockProtocol, flags: SockFlag, groups: u32) -> nix::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// A request as the kernel reads it: struct nlmsghdr, then `body`.
pub(super) fn request_message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0; HEADER_BYTES];
    message.extend(body);
    let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut header = NetlinkBuffer::new(&mut message);
    header.set_length(bytes);
    header.set_message_type(kind);
    header.set_flags(NLM_F_REQUEST | flags);
    header.set_sequence_number(sequence);
    message
}

/// An answer of which some datagrams have arrived.
struct Answer {
    sequence: u32,
    is_dump: bool,
    changed: bool,
}

impl Answer {
    /// Takes one datagram; true when it was the last.
    fn take(
        &mut self,
        mut datagram: &[u8],
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<bool, NetlinkError> {
        while !datagram.is_empty() {
            let message =
                NetlinkBuffer::new_checked(datagram).map_err(|_| NetlinkError::Malformed)?;
            let payload = message.payload();
            datagram = after_message(datagram, message.length());
            // The rest of the answer to an earlier request that failed.
            if message.sequence_number() != self.sequence {
                continue;
            }
            self.changed |= message.flags() & NLM_F_DUMP_INTR != 0;
            match message.message_type() {
                NLMSG_ERROR | NLMSG_DONE => return read_end(payload).map(|()| true),
                kind => each(kind, payload),
            }
            if !self.is_dump {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The datagram without its first message, which has this length without padding.
pub(super) fn after_message(datagram: &[u8], length: u32) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    datagram
        .get(length.next_multiple_of(4)..)
        .unwrap_or_default()
}

/// Reads NLMSG_ERROR or NLMSG_DONE: both begin with a negative error number or 0.
fn read_end(payload: &[u8]) -> Result<(), NetlinkError> {
    let code = payload.first_chunk().ok_or(NetlinkError::Malformed)?;
    match i32::from_ne_bytes(*code) {
        0 => Ok(()),
        code if code == -libc::EINTR => Err(NetlinkError::Changed),
        code => Err(NetlinkError::Refused(Errno::from_raw(
            code.checked_neg().unwrap_or(libc::EIO),
        ))),
    }
}

#[cfg(test)]
mod tests;
