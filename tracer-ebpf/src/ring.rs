//! The ring buffer to the agent.
//!
//! The agent polls it by a timer, and is woken when much is waiting. A wake-up is an interrupt,
//! which costs more than everything else that is done for a message. Only the few records that pass
//! a mark cause one.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    macros::map,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use tracer_common::counter::Counter;

use crate::counter::count;

/// 4 MiB: about 60 ms of 30,000 followed exchanges a second.
const RING_BYTES: u32 = 4 << 20;
/// Bytes that wait at the mark. Records that begin within [`MARK_WIDTH_BYTES`] after it wake the
/// agent.
const MARK_BYTES: u64 = 1 << 20;
const MARK_WIDTH_BYTES: u64 = 8 << 10;
/// Flags of a record that does not wake the agent.
pub(crate) const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Sends a copy of `record`. If the buffer is full, counts `lost` and returns false.
#[inline(always)]
pub(crate) fn send<T: ?Sized>(record: &T, lost: Counter) -> bool {
    output(record, lost, NO_WAKEUP)
}

/// As [`send`], and wakes the agent at the mark. For the record that each message has once.
#[inline(always)]
pub(crate) fn send_and_wake<T: ?Sized>(record: &T, lost: Counter) -> bool {
    let waiting = EVENTS.query(u64::from(BPF_RB_AVAIL_DATA));
    let is_at_mark = waiting.wrapping_sub(MARK_BYTES) < MARK_WIDTH_BYTES;
    let flags = if is_at_mark {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        NO_WAKEUP
    };
    output(record, lost, flags)
}

#[inline(always)]
fn output<T: ?Sized>(record: &T, lost: Counter, flags: u64) -> bool {
    let is_sent = EVENTS.output::<T>(record, flags).is_ok();
    if !is_sent {
        count(lost);
    }
    is_sent
}

/// Reserves room for a record that is written in place. If the buffer is full, counts `lost`.
///
/// The room is this program's alone until it is submitted: the kernel gives it to no other program,
/// and the agent reads it only afterwards.
#[inline(always)]
pub(crate) fn reserve<T: 'static>(lost: Counter) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count(lost);
    }
    entry
}
