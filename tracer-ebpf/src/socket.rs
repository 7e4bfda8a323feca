//! What is remembered of each socket that may speak HTTP.
//!
//! In: the cookie of a socket, or the synthetic one of a socket on another node. Out: its slot,
//! which the hooks write. One look-up answers all that has to be known before a packet is read. A
//! slot is given up when its socket closes, or for another socket if there are too many; each field
//! documents what its loss costs.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use tracer_common::{http1::boundary::Part, keys::MAX_SOCKETS, seq::after};

use crate::{
    keys::Keys,
    shared::{Cells, MapValue as _, Shared},
};

/// Messages after which a socket that has neither sent nor received HTTP is ignored.
const MAX_OTHER_MESSAGES: u32 = 64;

/// The socket has received heads: [`Socket::newest_seq`] and [`Socket::reported_seq`] are valid.
pub(crate) const HAS_HEAD: u32 = 1;
/// The socket speaks HTTP/1: what it sends between heads is not checked for HTTP/2.
pub(crate) const HTTP1: u32 = 2;
/// The socket speaks another protocol: its packets are ignored.
pub(crate) const NOT_HTTP: u32 = 4;
/// The socket sends the head of a request in pieces.
pub(crate) const PARTIAL_HEAD: u32 = 8;
/// The socket has sent or received a request: [`Socket::request_seq`] and [`Socket::request_ack`]
/// are valid.
pub(crate) const HAS_REQUEST: u32 = 16;
/// The socket sends requests and receives none.
pub(crate) const CLIENT: u32 = 32;
/// The last request that the socket has sent was left out.
pub(crate) const LEFT_OUT: u32 = 64;
/// A request was sent before the response to the one before.
pub(crate) const PIPELINES: u32 = 128;
/// The socket is on another node, and what it sends only passes this node. Lost: its next message
/// is followed until it leaves.
pub(crate) const FORWARDED: u32 = 256;
/// The socket is closed, and its newest head is unread: the application can still read it.
const CLOSED: u32 = 512;
/// Where the next request begins is known for certain.
pub(crate) const SURE: u32 = 4096;
/// The socket has received a request with a journey, and has not sent the last response to it.
pub(crate) const OWES_RESPONSE: u32 = 1024;
/// The socket has sent the last response to such a request: [`Socket::response_seq`] is valid.
pub(crate) const HAS_RESPONDED: u32 = 2048;
/// The socket sends a response with a journey, whose end is followed in [`Socket::boundary_seq`].
pub(crate) const RESPONDS: u32 = 8192;
/// The last request that the socket has received is one whose response has no body.
pub(crate) const ASKED_NO_BODY: u32 = 16384;

/// The socket has sent the SYN of its connection: it sends no responses.
pub(crate) const OPENED: u32 = 32_768;
/// The socket has accepted its connection: it sends no requests. Lost, or not seen: what looks like
/// a request of the socket counts as one until the socket has received a request.
pub(crate) const ACCEPTED: u32 = 65_536;

/// One socket.
///
/// Egress, ingress, reads and closes of one socket can run on several CPUs at the same time, and an
/// interrupt can bring a packet of the socket whose program it interrupts. The last store of a cell
/// stays, and a flag is lost if it is set between the load and the store of another, which costs at
/// most what the loss of the slot does. A program that has found a socket may store into its slot
/// after the slot was given to another socket. That one then has a flag or a number of the first,
/// and its messages may be left out, or followed in vain, until its next request. The agent does
/// not access sockets.
#[repr(C)]
pub(crate) struct Socket {
    pub(crate) flags: Shared<u32>,
    /// First byte of the newest head that was received. Lost: no read time of heads that wait.
    pub(crate) newest_seq: Shared<u32>,
    /// `copied_seq` of the last read that was reported.
    pub(crate) reported_seq: Shared<u32>,
    /// Sequence number of the last request's head where it is sent, and of its packet where it
    /// arrives; acknowledgment number of its packet. Lost, with [`OWES_RESPONSE`], at the receiver:
    /// the response to that request is not followed, and its exchange has none.
    pub(crate) request_seq: Shared<u32>,
    pub(crate) request_ack: Shared<u32>,
    /// Sequence number of the last response. Lost: a response that is sent again has no journey.
    pub(crate) response_seq: Shared<u32>,
    /// Number of messages that are not HTTP. Lost: they are counted from 0 again.
    other_messages: Shared<u32>,
    /// Where the next request begins, or the response ends, in what the socket sends:
    /// `boundary_left` bytes after `boundary_seq`, or after more, by `boundary_part`
    /// ([`crate::boundary`]). Lost: what looks like a request is followed, and user space finds out
    /// whether it is one; the end of the response is not seen.
    pub(crate) boundary_left: Shared<u64>,
    pub(crate) boundary_seq: Shared<u32>,
    pub(crate) boundary_part: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Socket {}

/// The cookies of the sockets in the slots of [`SOCKETS`]. The agent counts them.
#[map]
static SOCKET_KEYS: Array<Keys<MAX_SOCKETS>> = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[map]
static SOCKETS: Array<Socket> = Array::with_max_entries(MAX_SOCKETS as u32, 0);

impl Socket {
    /// Whether any of these flags is set.
    #[inline(always)]
    pub(crate) fn is(&self, flags: u32) -> bool {
        self.flags.get() & flags != 0
    }

    /// Whether the newest head that was received is unread.
    #[inline(always)]
    pub(crate) fn has_unread(&self) -> bool {
        self.is(HAS_HEAD) && !after(self.reported_seq.get(), self.newest_seq.get())
    }

    /// Whether the socket is closed and everything that it has received is read.
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        self.is(CLOSED) && !self.has_unread()
    }

    #[inline(always)]
    pub(crate) fn set_http1(&self) {
        self.flags.set(self.flags.get() & !NOT_HTTP | HTTP1);
    }

    /// Counts a message that is not HTTP; after too many the socket is ignored.
    #[inline(always)]
    pub(crate) fn count_other_message(&self) {
        if self.is(HTTP1 | HAS_HEAD) {
            return;
        }
        let messages = self.other_messages.get() + 1;
        self.other_messages.set(messages);
        if messages >= MAX_OTHER_MESSAGES {
            self.flags.set_bits(NOT_HTTP);
        }
    }
}

/// The socket of a cookie, if it is remembered.
#[inline(always)]
pub(crate) fn find(cookie: u64) -> Option<&'static Socket> {
    at(keys()?.find(cookie))
}

/// The socket of a cookie, remembered from now on. `None` for the cookies 0 and 2^64 - 1, which the
/// table reserves.
///
/// Never inlined: the verifier walks through it for each caller, but through less code.
#[inline(never)]
pub(crate) fn find_or_add(cookie: u64) -> Option<&'static Socket> {
    let keys = keys()?;
    let slot = keys.find(cookie);
    if slot < MAX_SOCKETS as u32 {
        return at(slot);
    }
    let slot = keys.claim_any(cookie);
    let socket = at(slot)?;
    socket.flags.set(0);
    socket.other_messages.set(0);
    socket.boundary_part.set(Part::UNKNOWN.number());
    keys.publish(slot, cookie);
    Some(socket)
}

/// Forgets a socket that closes, now or after its newest head is read.
#[inline(always)]
pub(crate) fn close(cookie: u64) {
    if let Some(socket) = find(cookie) {
        if socket.has_unread() {
            socket.flags.set_bits(CLOSED);
        } else {
            forget(cookie);
        }
    }
}

/// Forgets a socket: it is closed and read, or the cookie stands for another connection from now
/// on.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    if let Some(keys) = keys() {
        let slot = keys.find(cookie);
        if slot < MAX_SOCKETS as u32 {
            keys.free(slot, cookie);
        }
    }
}

#[inline(always)]
fn keys() -> Option<&'static Keys<MAX_SOCKETS>> {
    SOCKET_KEYS.value(0)
}

#[inline(always)]
fn at(slot: u32) -> Option<&'static Socket> {
    SOCKETS.value(slot)
}
