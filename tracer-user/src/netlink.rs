//! Sockets to the kernel's netlink families (netlink(7)), in the network namespace of the thread that
//! opens them. In: a question, or groups of notifications. Out: the messages of an answer, which it does
//! not look into; that there is something to hear.
//!
//! A dump comes in many messages; when what it tells of changes in the middle, the kernel says so and
//! the answer is worth nothing.

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
pub(super) const HEADER_BYTES: usize = 16;
/// The kernel fills buffers of at most 32 KiB (kernel: netlink_recvmsg, max_recvmsg_len).
const BUFFER_BYTES: usize = 64 << 10;
/// The kernel answers at once. This is for one that does not.
const ANSWER: Duration = Duration::from_secs(5);

/// Why a question has no answer. Each family says it in its own words.
#[derive(Debug)]
pub(super) enum Failure {
    Socket(io::Error),
    /// The kernel said no.
    Refused(Errno),
    /// What was asked for changed while it was read.
    Changed,
    /// Not what netlink(7) says.
    Malformed,
    /// More than the bound of an answer.
    TooLarge,
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self::Socket(error.into())
    }
}

/// A socket for questions.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    max_answer_bytes: usize,
}

impl Netlink {
    /// Opens the socket. An answer may bring at most so many bytes.
    pub(super) fn open(protocol: SockProtocol, max_answer_bytes: usize) -> Result<Self, Failure> {
        let socket = bound(protocol, SockFlag::empty(), 0)?;
        let timeout = TimeVal::milliseconds(ANSWER.as_millis() as i64);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: vec![0; BUFFER_BYTES],
            max_answer_bytes,
        })
    }

    /// Sends a question and takes all of its answer, also of one that is worth nothing, so that the
    /// next finds an empty socket. `each` gets kind and payload.
    pub(super) fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = question(kind, flags, self.sequence, body);
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
                return Err(Failure::TooLarge);
            }
            let datagram = self.buffer.get(..bytes).unwrap_or_default();
            if answer.take(datagram, each)? {
                return if answer.changed {
                    Err(Failure::Changed)
                } else {
                    Ok(())
                };
            }
        }
    }
}

/// A socket that hears the notifications of these groups, a bit each, and blocks nobody.
pub(super) fn listen(protocol: SockProtocol, groups: u32) -> nix::Result<OwnedFd> {
    bound(protocol, SockFlag::SOCK_NONBLOCK, groups)
}

/// Waits for a notification, or until `timeout` has passed; whether there is one.
pub(super) fn wait(socket: &OwnedFd, timeout: Duration) -> nix::Result<bool> {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut sockets, timeout) {
        Ok(0) | Err(Errno::EINTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error),
    }
}

fn bound(protocol: SockProtocol, flags: SockFlag, groups: u32) -> nix::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

pub(super) fn question(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
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

/// An answer while it comes.
pub(super) struct Answer {
    pub(super) sequence: u32,
    pub(super) is_dump: bool,
    pub(super) changed: bool,
}

impl Answer {
    /// Takes one datagram; true when it was the last.
    pub(super) fn take(
        &mut self,
        mut datagram: &[u8],
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<bool, Failure> {
        while !datagram.is_empty() {
            let message = NetlinkBuffer::new_checked(datagram).map_err(|_| Failure::Malformed)?;
            let payload = message.payload();
            let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
            datagram = datagram
                .get(length.next_multiple_of(4)..)
                .unwrap_or_default();
            // What is left of a question that was given up.
            if message.sequence_number() != self.sequence {
                continue;
            }
            self.changed |= message.flags() & NLM_F_DUMP_INTR != 0;
            match message.message_type() {
                NLMSG_ERROR | NLMSG_DONE => return ended(payload).map(|()| true),
                kind => each(kind, payload),
            }
            if !self.is_dump {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Both an error and the end of a dump begin with a negative error number or 0.
fn ended(payload: &[u8]) -> Result<(), Failure> {
    let code = payload.first_chunk().ok_or(Failure::Malformed)?;
    match i32::from_ne_bytes(*code) {
        0 => Ok(()),
        code if code == -libc::EINTR => Err(Failure::Changed),
        code => Err(Failure::Refused(Errno::from_raw(
            code.checked_neg().unwrap_or(libc::EIO),
        ))),
    }
}
