//! Tells user space of each device once, when the first journey passes it.

use aya_ebpf::{
    macros::map,
    maps::{LruHashMap, PerCpuArray},
};
use tracer_common::{RecordKind, counter::Counter, device::Device, hook::Hook};

use crate::{
    journey::HookPoint,
    kernel::device::NetDevice,
    ring,
    shared::{MapValue as _, Shared},
};

/// Devices remembered as told; the least recently used is told again.
const MAX_DEVICES: u32 = 4096;
const BPF_NOEXIST: u64 = 1;
/// Slots of the per-CPU cache before that map. A power of two.
const CACHE_SLOTS: u32 = 256;

#[map]
static DEVICES: LruHashMap<u64, u8> = LruHashMap::with_max_entries(MAX_DEVICES, 0);

/// Only this CPU accesses them, one word each. Where a program interrupts another between the load and
/// the store, a device is looked up in [`DEVICES`] once more.
#[map]
static DEVICE_CACHE: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(CACHE_SLOTS, 0);

/// A hook at `device`, which is reported to the agent if it is new.
#[inline(always)]
pub(crate) fn hook_point(hook: Hook, device: NetDevice) -> HookPoint {
    let netns = device.netns();
    let ifindex = device.ifindex();
    let key = u64::from(netns) << 32 | u64::from(ifindex);
    if let Some(cached) = DEVICE_CACHE.value((ifindex ^ netns) & (CACHE_SLOTS - 1))
        && cached.get() != key
    {
        cached.set(key);
        introduce(key, netns, ifindex, device);
    }
    HookPoint {
        hook,
        netns,
        ifindex,
    }
}

#[inline(always)]
fn introduce(key: u64, netns: u32, ifindex: u32, device: NetDevice) {
    if DEVICES.insert(key, 1, BPF_NOEXIST).is_err() {
        return;
    }
    let record = Device {
        kind: RecordKind::Device as u32,
        netns,
        ifindex,
        flags: device.priv_flags(),
        name: device.name(),
        link_kind: device.link_kind(),
    };
    if !ring::send::<Device>(&record, Counter::DeviceLost) {
        let _ = DEVICES.remove(key);
    }
}
