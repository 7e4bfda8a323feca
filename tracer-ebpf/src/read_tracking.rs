//! Tells user space when the application reads a head that was waiting in a receive queue.
//!
//! The ingress hook notes the newest head of a socket, the read hook reports `copied_seq` for as
//! long as that head is unread. Each writes its own field, so neither needs a lock.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use tracer_common::{RecordKind, counter::Counter, hook::Hook, read::Read, seq::after};

use crate::{
    counter::hit,
    ring,
    socket::{self, RECEIVES, Socket},
};

/// A head that starts at `seq` goes into the receive queue.
#[inline(always)]
pub(crate) fn arrived(socket: &Socket, seq: u32) {
    if !socket.is(RECEIVES) {
        socket.reported_seq.set(seq);
        socket.flags.set_bits(RECEIVES);
    }
    // Concurrent packets of one socket are serialised by its lock or, for the backlog, differ by a head
    // that is later anyway.
    socket.newest_seq.set(seq);
}

/// The application has read everything before `read_seq` from the socket.
#[inline(always)]
pub(crate) fn read(cookie: u64, read_seq: impl FnOnce() -> Option<u32>) {
    let Some(socket) = socket::find(cookie) else {
        return;
    };
    if !socket.has_unread() {
        return;
    }
    let reported_seq = socket.reported_seq.get();
    let Some(read_seq) = read_seq() else { return };
    if !after(read_seq, reported_seq) {
        return;
    }
    hit(Hook::SocketRead);
    let record = Read {
        kind: RecordKind::Read as u32,
        read_seq,
        // SAFETY: the helper has no preconditions.
        at_ns: unsafe { bpf_ktime_get_ns() },
        cookie,
        tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        padding: 0,
    };
    ring::send::<Read>(&record, Counter::ReadLost);
    // Only this hook writes the field after the first value, under the socket's lock.
    socket.reported_seq.set(read_seq);
    if socket.is_over() {
        socket::forget(cookie);
    }
}
