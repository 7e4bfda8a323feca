//! What is remembered of each socket that speaks HTTP, or may.
//!
//! In: a socket's cookie, or the stand-in for one on another node. Out: its slot, which the hooks write.
//! One look-up answers all that a packet has to be asked before it is read. A slot is given up when its
//! socket closes, or for another socket where there are too many; what follows from its loss is said at
//! each field.

use aya_ebpf::{macros::map, maps::Array};
use tracer_common::seq::after;

use crate::{
    keys::Keys,
    shared::{Cells, MapValue as _, Shared},
};

/// Sockets remembered. Where there are more, a new one takes the slot of any in its bucket.
const MAX_SOCKETS: usize = 131_072;
/// Messages after which a socket that has neither sent nor received one of HTTP is left alone.
const MAX_OTHERS: u32 = 64;

/// It has received heads: [`Socket::newest_seq`] and [`Socket::reported_seq`] are valid.
pub(crate) const RECEIVES: u32 = 1;
/// It speaks HTTP/1: what it sends between heads is not looked at for HTTP/2.
pub(crate) const HTTP1: u32 = 2;
/// It speaks something else: nothing that it sends or receives is of interest.
pub(crate) const OPAQUE: u32 = 4;
/// It sends a head in pieces.
pub(crate) const PARTIAL: u32 = 8;
/// It has sent or received a request: [`Socket::request_seq`] and [`Socket::request_ack`] are valid.
pub(crate) const ASKED: u32 = 16;
/// It sends requests, and receives none.
pub(crate) const CLIENT: u32 = 32;
/// The last request was left out.
pub(crate) const LEFT_OUT: u32 = 64;
/// Requests were sent before the one before was answered.
pub(crate) const PIPELINES: u32 = 128;

/// It is on another node, and what it sends goes on to another yet. Lost: its next message is followed
/// until it leaves.
pub(crate) const FORWARDED: u32 = 256;
/// It is closed, and the newest head that came in waits to be read: what came before the end is read after
/// it.
const CLOSED: u32 = 512;

/// One socket.
///
/// Egress, ingress, reads and closes of one socket can run on several CPUs at the same time, and an
/// interrupt can bring a packet of the socket whose program it interrupts. The last store of a cell is
/// what stays, and a flag that is set between the load and the store of another is lost, which costs
/// at most what the loss of the slot does. A program that found a socket may store into its slot
/// after the slot was given to another: that one then has a flag or a number which is not its own, and
/// messages of it may be left out, or followed in vain, until its next request. The agent does not
/// access sockets.
#[repr(C)]
pub(crate) struct Socket {
    pub(crate) flags: Shared<u32>,
    /// First byte of the newest head that came in. Lost: no read time of heads that wait.
    pub(crate) newest_seq: Shared<u32>,
    /// `copied_seq` of the last read that was reported.
    pub(crate) reported_seq: Shared<u32>,
    /// Where the last request starts, and what it acknowledges. Lost: the answer to a request that was
    /// left out is followed, and user space knows no request for it.
    pub(crate) request_seq: Shared<u32>,
    pub(crate) request_ack: Shared<u32>,
    /// Messages that were none of HTTP, in a row.
    others: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Socket {}

#[map]
static SOCKET_KEYS: Array<Keys<MAX_SOCKETS>> = Array::with_max_entries(1, 0);

#[map]
static SOCKETS: Array<Socket> = Array::with_max_entries(MAX_SOCKETS as u32, 0);

impl Socket {
    #[inline(always)]
    pub(crate) fn is(&self, flag: u32) -> bool {
        self.flags.get() & flag != 0
    }

    /// The newest head that came in was not read.
    #[inline(always)]
    pub(crate) fn has_unread(&self) -> bool {
        self.is(RECEIVES) && !after(self.reported_seq.get(), self.newest_seq.get())
    }

    /// It is closed, and all that it has received is read.
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        self.is(CLOSED) && !self.has_unread()
    }

    /// It speaks HTTP/1.
    #[inline(always)]
    pub(crate) fn speaks_http1(&self) {
        self.flags.set(self.flags.get() & !OPAQUE | HTTP1);
    }

    /// It has sent something that is none of HTTP.
    #[inline(always)]
    pub(crate) fn sends_other(&self) {
        if self.is(HTTP1 | RECEIVES) {
            return;
        }
        let others = self.others.get() + 1;
        self.others.set(others);
        if others >= MAX_OTHERS {
            self.flags.set_bits(OPAQUE);
        }
    }
}

/// The socket, if it is remembered.
#[inline(always)]
pub(crate) fn find(cookie: u64) -> Option<&'static Socket> {
    at(keys()?.find(cookie))
}

/// The socket, which is remembered from now on.
#[inline(always)]
pub(crate) fn find_or_add(cookie: u64) -> Option<&'static Socket> {
    let keys = keys()?;
    let slot = keys.find(cookie);
    if slot < MAX_SOCKETS as u32 {
        return at(slot);
    }
    let slot = keys.claim_any(cookie);
    let socket = at(slot)?;
    socket.flags.set(0);
    socket.others.set(0);
    keys.publish(slot, cookie);
    Some(socket)
}

/// The socket is closed.
#[inline(always)]
pub(crate) fn closed(cookie: u64) {
    if let Some(socket) = find(cookie) {
        if socket.has_unread() {
            socket.flags.set_bits(CLOSED);
        } else {
            forget(cookie);
        }
    }
}

/// The socket is closed and all is read, or it begins anew.
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
