//! Counters, one set per CPU; the agent adds them up.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

/// A program did its work for a packet of interest at this hook.
#[inline(always)]
pub(crate) fn hit(hook: Hook) {
    increment(hook as u32);
}

#[inline(always)]
pub(crate) fn count(counter: Counter) {
    increment(counter.index());
}

#[inline(always)]
fn increment(slot: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(slot) {
        // SAFETY: the verifier has checked the pointer for null, and this CPU alone writes here.
        // A program that interrupts another on this CPU may cost one count in a great many.
        unsafe { *value += 1 }
    }
}
