//! Counters, one set per CPU. The agent adds them up.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

use crate::shared::{MapValue as _, Shared};

/// Only this CPU writes its counters, and the agent reads them. A program that interrupts another
/// between the load and the store of the same counter costs one count, which is rare.
#[map]
static COUNTERS: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(SLOTS, 0);

/// Counts a packet of interest at a hook.
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
