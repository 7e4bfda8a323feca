//! Reports when the application reads a head that waits in a receive queue.
//!
//! The ingress hook stores the newest head of a socket. The read hook reports `copied_seq` as long
//! as that head is unread. Each hook stores its own field, so that neither needs a lock.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use tracer_common::{RecordKind, counter::Counter, hook::Hook, read::Read, seq::after};

use crate::{
    counter::hit,
    ring,
    socket::{self, HAS_HEAD, Socket},
};

/// Notes that a head which starts at `seq` enters the receive queue.
#[inline(always)]
pub(crate) fn head_arrived(socket: &Socket, seq: u32) {
    if !socket.is(HAS_HEAD) {
        socket.reported_seq.set(seq);
        socket.newest_seq.set(seq);
        socket.flags.set_bits(HAS_HEAD);
    } else if after(seq, socket.newest_seq.get()) {
        // A head that is sent again, or was overtaken, is not the newest one.
        socket.newest_seq.set(seq);
    }
}

/// Reports that the application has read from a socket up to `read_seq`, if a head was waiting.
#[inline(always)]
pub(crate) fn report(cookie: u64, read_seq: impl FnOnce() -> Option<u32>) {
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
        new_bytes: read_seq.wrapping_sub(reported_seq),
    };
    ring::send::<Read>(&record, Counter::ReadLost);
    // Also after a loss: the next record shows by `new_bytes` that this one is missing. After the
    // first value only this hook stores the field, under the socket's lock.
    socket.reported_seq.set(read_seq);
    if socket.is_over() {
        socket::forget(cookie);
    }
}
