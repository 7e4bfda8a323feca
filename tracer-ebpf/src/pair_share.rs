//! Shares the ring buffer between pairs of addresses.
//!
//! In: records, and how much of the buffer is free. Out: whether a record fits into the share of its
//! pair. A pair has used its share if it has put more into the buffer in this window of time than is
//! still free in it. The fuller the buffer, the smaller is the share, so that the busiest pairs wait
//! for the agent first, and those with less than all others never. That is max-min fairness, whatever
//! the agent takes out in a window.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use tracer_common::{
    counter::Counter,
    edge::WINDOW_BITS,
    pair_share::{PAIRS, PairShares, RECORD_BYTES},
    tuple::Tuple,
};

use crate::{
    counter::count,
    shared::{MapValue as _, Shared, field},
    uplink,
};

/// One value, so that the agent reads all pairs at once.
///
/// The programs on all CPUs write it. Two CPUs that count for one pair at the same time may count
/// one record for two: the pair then has a little more than its share.
#[map]
static PAIR_SHARES: Array<Shared<PairShares>> = Array::with_max_entries(1, 0);

/// The addresses between which a packet goes, in whatever order: a tuple on the stack or in map
/// memory.
#[derive(Clone, Copy)]
pub(crate) struct Between(*const Tuple);

impl From<&Tuple> for Between {
    #[inline(always)]
    fn from(tuple: &Tuple) -> Self {
        Self(tuple)
    }
}

impl From<&Shared<Tuple>> for Between {
    #[inline(always)]
    fn from(tuple: &Shared<Tuple>) -> Self {
        Self(tuple.as_ptr())
    }
}

impl Between {
    #[inline(always)]
    fn hash(self) -> u64 {
        let of = |side| uplink::hash_address([0, 1, 2, 3].map(|index| self.word(side, index)));
        of(0).wrapping_add(of(1))
    }

    /// A word of the source (0) or of the destination (1), in network byte order.
    #[inline(always)]
    fn word(self, side: usize, index: usize) -> u32 {
        // SAFETY: fields of the tuple.
        let addresses = unsafe {
            [
                &raw const (*self.0).source_be,
                &raw const (*self.0).destination_be,
            ]
        };
        // SAFETY: an aligned word of it. Volatile, because it may be in map memory.
        unsafe { addresses[side].cast::<u32>().add(index).read_volatile() }
    }
}

/// Counts a record of this size for its pair, or counts it as lost if the pair has used its share:
/// whether it has.
#[inline(always)]
pub(crate) fn is_used(between: Between, record_bytes: u32, free_bytes: u32) -> bool {
    // SAFETY: the tuple is borrowed by the caller.
    unsafe { pair_share_is_used(between.0, record_bytes, free_bytes) }
}

/// Global: the verifier checks it once ([`crate::first_seen`]).
///
/// # Safety
///
/// `tuple` is null, or readable and aligned.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pair_share_is_used(
    tuple: *const Tuple,
    record_bytes: u32,
    free_bytes: u32,
) -> bool {
    if tuple.is_null() {
        return false;
    }
    is_used_by(Between(tuple), record_bytes, free_bytes)
}

#[inline(always)]
fn is_used_by(between: Between, record_bytes: u32, free_bytes: u32) -> bool {
    let Some(shares) = PAIR_SHARES.value(0) else {
        return false;
    };
    let pair = field!(shares, pairs[between.hash() as usize & (PAIRS - 1)]);
    // SAFETY: the helper has no preconditions.
    let window = unsafe { bpf_ktime_get_ns() >> WINDOW_BITS } as u32;
    let bytes = if field!(pair, window).get() == window {
        field!(pair, bytes).get()
    } else {
        0
    };
    if bytes > free_bytes {
        count(Counter::OverShare);
        field!(pair, lost).set(field!(pair, lost).get() + 1);
        // Read again: kernel 6.1 leaves this function no stack to keep them.
        for index in 0..4 {
            field!(pair, addresses_be[0][index]).set(between.word(0, index));
            field!(pair, addresses_be[1][index]).set(between.word(1, index));
        }
        return true;
    }
    field!(pair, bytes).set(bytes + record_bytes + RECORD_BYTES);
    // Last: a CPU that still loads the old number begins the window itself.
    field!(pair, window).set(window);
    false
}
