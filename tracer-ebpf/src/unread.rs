//! Tells user space when the application reads a head that was waiting in a receive queue.
//!
//! The ingress hook notes the newest head of a socket, the read hook reports `copied_seq` for as
//! long as that head is unread. Each writes its own field, so neither needs a lock.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::map,
    maps::LruHashMap,
};
use tracer_common::{
    RecordKind,
    counter::Counter,
    hook::Hook,
    read::{Read, Unread},
    seq::after,
};

use crate::{count::hit, emit};

/// Sockets that receive heads. The least recently used goes when there are more: a head that was
/// waiting there has no read time then.
const MAX_SOCKETS: u32 = 65_536;

#[map]
static UNREAD: LruHashMap<u64, Unread> = LruHashMap::with_max_entries(MAX_SOCKETS, 0);

/// A head that starts at `seq` goes into the receive queue.
#[inline(always)]
pub(crate) fn arrived(cookie: u64, seq: u32) {
    match UNREAD.get_ptr_mut(cookie) {
        // SAFETY: checked for null; concurrent packets of one socket are serialised by its lock
        // or, for the backlog, differ by a head that is later anyway.
        Some(unread) => unsafe { (*unread).newest_seq = seq },
        None => {
            let unread = Unread {
                newest_seq: seq,
                reported_seq: seq,
            };
            // A failure shows as a head without a read time.
            let _ = UNREAD.insert(cookie, unread, 0);
        }
    }
}

/// Whether a head has ever gone into this socket's receive queue, as far as is remembered.
#[inline(always)]
pub(crate) fn is_known(cookie: u64) -> bool {
    UNREAD.get_ptr(cookie).is_some()
}

/// The application has read everything before `read_seq` from the socket.
#[inline(always)]
pub(crate) fn read(cookie: u64, read_seq: impl FnOnce() -> Option<u32>) {
    let Some(unread) = UNREAD.get_ptr_mut(cookie) else {
        return;
    };
    // SAFETY: checked for null; map memory stays mapped.
    let Unread {
        newest_seq,
        reported_seq,
    } = unsafe { *unread };
    if after(reported_seq, newest_seq) {
        return;
    }
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
    emit::send::<Read>(&record, Counter::ReadLost);
    // SAFETY: as above; only this hook writes the field, under the socket's lock.
    unsafe { (*unread).reported_seq = read_seq };
}
