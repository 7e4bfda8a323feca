//! The ring buffer to the agent, and its fair use.
//!
//! In: records, with the addresses between which their packets go. While more than [`MARK_BYTES`]
//! wait for the agent, a record is lost if its pair of addresses has used its share
//! ([`pair_share`]): a flood between two pods does not take the room of all others.
//!
//! The agent polls it by a timer, and is woken when much is waiting. A wake-up is an interrupt,
//! which costs more than everything else that is done for a message. Only the few records that pass
//! a mark cause one.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, RingBuf, ring_buf::RingBufEntry},
};
use tracer_common::counter::Counter;

use crate::{
    counter::count,
    pair_share::{self, Between},
    shared::{MapValue as _, Shared},
};

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

/// When a record was last lost, 0 if none was. Stored without order between CPUs: a loss of the same
/// moment is as good.
#[map]
static LAST_LOSS: Array<Shared<u64>> = Array::with_max_entries(1, 0);

/// Counts a record that is lost, and notes the time.
///
/// Of all sockets together: a record does not belong to one socket alone, and the sender's socket
/// may be on another node, where its close is not seen.
#[inline(always)]
pub(crate) fn lose(lost: Counter) {
    count(lost);
    if let Some(last_loss) = LAST_LOSS.value(0) {
        // SAFETY: the helper has no preconditions.
        last_loss.set(unsafe { bpf_ktime_get_ns() });
    }
}

/// When a record was last lost; 0 if none was.
#[inline(always)]
pub(crate) fn last_loss_ns() -> u64 {
    LAST_LOSS.value(0).map_or(0, Shared::get)
}

/// Sends a copy of `record`, which is of no pair. If the buffer is full, counts `lost` and returns
/// false.
#[inline(always)]
pub(crate) fn send<T: ?Sized>(record: &T, lost: Counter) -> bool {
    output(record, lost, NO_WAKEUP)
}

/// Sends a copy of `record`, as [`send`], if it fits into the share of its pair.
#[inline(always)]
pub(crate) fn send_shared<T: ?Sized>(
    record: &T,
    between: impl Into<Between>,
    lost: Counter,
) -> bool {
    fits(waiting_bytes(), between.into(), size_of_val(record), lost) && send(record, lost)
}

/// As [`send_shared`], and wakes the agent at the mark. For the record that each message has once.
#[inline(always)]
pub(crate) fn send_and_wake<T: ?Sized>(
    record: &T,
    between: impl Into<Between>,
    lost: Counter,
) -> bool {
    let waiting_bytes = waiting_bytes();
    if !fits(waiting_bytes, between.into(), size_of_val(record), lost) {
        return false;
    }
    let is_at_mark = waiting_bytes.wrapping_sub(MARK_BYTES) < MARK_WIDTH_BYTES;
    let flags = if is_at_mark {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        NO_WAKEUP
    };
    output(record, lost, flags)
}

#[inline(always)]
fn waiting_bytes() -> u64 {
    EVENTS.query(u64::from(BPF_RB_AVAIL_DATA))
}

/// Whether a record fits into the share of its pair; if not, it is lost.
#[inline(always)]
fn fits(waiting_bytes: u64, between: Between, record_bytes: usize, lost: Counter) -> bool {
    if waiting_bytes < MARK_BYTES {
        return true;
    }
    let free_bytes = RING_BYTES.saturating_sub(waiting_bytes as u32);
    let is_used = pair_share::is_used(between, record_bytes as u32, free_bytes);
    if is_used {
        lose(lost);
    }
    !is_used
}

#[inline(always)]
fn output<T: ?Sized>(record: &T, lost: Counter, flags: u64) -> bool {
    let is_sent = EVENTS.output::<T>(record, flags).is_ok();
    if !is_sent {
        lose(lost);
    }
    is_sent
}

/// Reserves room for a record that is written in place, if it fits into the share of its pair. If
/// there is none, counts `lost`.
///
/// The room is this program's alone until it is submitted: the kernel gives it to no other program,
/// and the agent reads it only afterwards.
#[inline(always)]
pub(crate) fn reserve<T: 'static>(
    between: impl Into<Between>,
    lost: Counter,
) -> Option<RingBufEntry<T>> {
    if !fits(waiting_bytes(), between.into(), size_of::<T>(), lost) {
        return None;
    }
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        lose(lost);
    }
    entry
}
