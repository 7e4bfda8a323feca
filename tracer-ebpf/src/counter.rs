//! Counters, one set per CPU; the agent adds them up.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

use crate::shared::{MapValue as _, Shared};

/// This CPU alone writes its counters, and the agent reads them. A program that interrupts another
/// between the load and the store of one counter costs a count, one in a great many.
#[map]
static COUNTERS: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(SLOTS, 0);

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
    if let Some(count) = COUNTERS.value(slot) {
        count.set(count.get() + 1);
    }
}
