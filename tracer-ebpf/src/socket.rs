//! What is remembered of each socket that speaks HTTP, or may.
//!
//! In: a socket's cookie, or the stand-in for one on another node. Out: its place, which the hooks write.
//! One look-up answers all that a packet has to be asked before it is read. A place is given up when its
//! socket closes, or for another socket where there are too many; what follows from its loss is said at
//! each field.

use aya_ebpf::{macros::map, maps::Array};
use tracer_common::seq::after;

use crate::table::Keys;

/// Sockets remembered. Where there are more, a new one takes the place of any in its bucket.
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

/// One socket. Egress and ingress may write at the same time, on two CPUs: a flag can be lost then, which
/// costs at most what the loss of the place does.
#[repr(C)]
pub(crate) struct Socket {
    pub(crate) flags: u32,
    /// First byte of the newest head that came in. Lost: no read time of heads that wait.
    pub(crate) newest_seq: u32,
    /// `copied_seq` of the last read that was reported.
    pub(crate) reported_seq: u32,
    /// Where the last request starts, and what it acknowledges. Lost: the answer to a request that was
    /// left out is followed, and user space knows no request for it.
    pub(crate) request_seq: u32,
    pub(crate) request_ack: u32,
    /// Messages that were none of HTTP, in a row.
    others: u32,
}

#[map]
static SOCKET_KEYS: Array<Keys<MAX_SOCKETS>> = Array::with_max_entries(1, 0);

#[map]
static SOCKETS: Array<Socket> = Array::with_max_entries(MAX_SOCKETS as u32, 0);

impl Socket {
    #[inline(always)]
    pub(crate) fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The newest head that came in was not read.
    #[inline(always)]
    pub(crate) fn has_unread(&self) -> bool {
        self.is(RECEIVES) && !after(self.reported_seq, self.newest_seq)
    }

    /// It is closed, and all that it has received is read.
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        self.is(CLOSED) && !self.has_unread()
    }

    /// It speaks HTTP/1.
    #[inline(always)]
    pub(crate) fn speaks_http1(&mut self) {
        self.flags = self.flags & !OPAQUE | HTTP1;
    }

    /// It has sent something that is none of HTTP.
    #[inline(always)]
    pub(crate) fn sends_other(&mut self) {
        if self.is(HTTP1 | RECEIVES) {
            return;
        }
        self.others += 1;
        if self.others >= MAX_OTHERS {
            self.flags |= OPAQUE;
        }
    }
}

/// The socket, if it is remembered.
#[inline(always)]
pub(crate) fn find(cookie: u64) -> Option<&'static mut Socket> {
    at(keys()?.find(cookie))
}

/// The socket, which is remembered from now on.
#[inline(always)]
pub(crate) fn find_or_add(cookie: u64) -> Option<&'static mut Socket> {
    let keys = keys()?;
    let place = keys.find(cookie);
    if place < MAX_SOCKETS as u32 {
        return at(place);
    }
    let place = keys.claim_any(cookie);
    let socket = at(place)?;
    socket.flags = 0;
    socket.others = 0;
    keys.set(place, cookie);
    Some(socket)
}

/// The socket is closed.
#[inline(always)]
pub(crate) fn closed(cookie: u64) {
    if let Some(socket) = find(cookie) {
        if socket.has_unread() {
            socket.flags |= CLOSED;
        } else {
            forget(cookie);
        }
    }
}

/// The socket is closed and all is read, or it begins anew.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    if let Some(keys) = keys() {
        let place = keys.find(cookie);
        if place < MAX_SOCKETS as u32 {
            keys.free(place);
        }
    }
}

#[inline(always)]
fn keys() -> Option<&'static mut Keys<MAX_SOCKETS>> {
    let keys = SOCKET_KEYS.get_ptr_mut(0)?;
    // SAFETY: checked for null; all access to the keys is by whole words.
    Some(unsafe { &mut *keys })
}

#[inline(always)]
fn at(place: u32) -> Option<&'static mut Socket> {
    let socket = SOCKETS.get_ptr_mut(place)?;
    // SAFETY: checked for null; map memory stays mapped, and any bytes are a valid value.
    Some(unsafe { &mut *socket })
}
