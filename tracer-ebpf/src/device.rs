//! Reports each network device to the agent, when the first journey passes it.

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

/// Devices remembered as reported. The least recently used is removed when there are more, and is
/// reported again.
const MAX_DEVICES: u32 = 4096;
const BPF_NOEXIST: u64 = 1;
/// Entries of the cache before that map. A power of two.
const CACHE_ENTRIES: u32 = 256;

/// By network namespace and number. Programs insert and remove entries, and read no value.
#[map]
static DEVICES: LruHashMap<u64, u8> = LruHashMap::with_max_entries(MAX_DEVICES, 0);

/// Only this CPU accesses it, one word at a time. If a program interrupts another between the load
/// and the store, a device is looked up in [`DEVICES`] once more.
#[map]
static DEVICE_CACHE: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(CACHE_ENTRIES, 0);

/// A hook at `device`, which is reported if it is new.
#[inline(always)]
pub(crate) fn hook_point(hook: Hook, device: NetDevice) -> HookPoint {
    let netns = device.netns();
    let ifindex = device.ifindex();
    let key = u64::from(netns) << 32 | u64::from(ifindex);
    if let Some(cached) = DEVICE_CACHE.value((ifindex ^ netns) & (CACHE_ENTRIES - 1))
        && cached.get() != key
    {
        cached.set(key);
        report(key, netns, ifindex, device);
    }
    HookPoint {
        hook,
        netns,
        ifindex,
    }
}

#[inline(always)]
fn report(key: u64, netns: u32, ifindex: u32, device: NetDevice) {
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
