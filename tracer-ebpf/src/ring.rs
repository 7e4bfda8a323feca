//! The ring buffer to user space.
//!
//! User space looks at it by a timer, and is woken when much has come to wait. To wake it is an
//! interrupt, which costs more than all else that is done for a message: so only by the few records that
//! pass the mark.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    macros::map,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use tracer_common::counter::Counter;

use crate::counter::count;

/// 4 MiB: about 60 ms of 30,000 followed exchanges a second.
const RING_BYTES: u32 = 4 << 20;
/// Where the mark is: records that begin in this much after it wake the reader.
const MARK_BYTES: u64 = 1 << 20;
const MARK_WIDTH_BYTES: u64 = 8 << 10;
/// How records are sent.
pub(crate) const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Sends a copy of `record`; counts `lost` and returns false when the buffer is full.
#[inline(always)]
pub(crate) fn send<T: ?Sized>(record: &T, lost: Counter) -> bool {
    output(record, lost, NO_WAKEUP)
}

/// The same of a record of which each message has one: it looks how much is waiting.
#[inline(always)]
pub(crate) fn send_and_look<T: ?Sized>(record: &T, lost: Counter) -> bool {
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
    let sent = EVENTS.output::<T>(record, flags).is_ok();
    if !sent {
        count(lost);
    }
    sent
}

/// Room for a record that is written in place, or `None` (and a count) when the buffer is full.
#[inline(always)]
pub(crate) fn reserve<T: 'static>(lost: Counter) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count(lost);
    }
    entry
}
