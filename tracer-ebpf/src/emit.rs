//! The ring buffer to user space.
//!
//! User space looks at it by a timer. No record wakes it: that is an interrupt each, which costs more
//! than all else that is done for a message.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    macros::map,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use tracer_common::counter::Counter;

use crate::count::count;

/// 8 MiB: about 90 ms of 30,000 exchanges a second.
const RING_BYTES: u32 = 8 << 20;
/// How every record is sent.
pub(crate) const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Sends a copy of `record`; counts `lost` and returns false when the buffer is full.
#[inline(always)]
pub(crate) fn send<T: ?Sized>(record: &T, lost: Counter) -> bool {
    let sent = EVENTS.output::<T>(record, NO_WAKEUP).is_ok();
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
