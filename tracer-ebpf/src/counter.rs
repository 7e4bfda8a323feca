//! Counters, one set per CPU. The agent adds them up.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

use crate::shared::{MapValue as _, Shared};

/// Only this CPU writes its counters, and the agent reads them.
#[map]
static COUNTERS: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(SLOTS, 0);

/// Counts a packet of interest at a hook. Every packet passes some twenty hooks, so this is no atomic
/// addition: a program that interrupts another between the load and the store of the same hook's
/// counter costs one hit, about one in four million.
#[inline(always)]
pub(crate) fn hit(hook: Hook) {
    if let Some(count) = COUNTERS.value(hook as u32) {
        count.set(count.get() + 1);
    }
}

/// Counts an event, exactly: the agent's books are made of these.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(count) = COUNTERS.value(counter.index()) {
        count.add(1);
    }
}
