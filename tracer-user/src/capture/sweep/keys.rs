//! The addresses of the packets whose journeys are under way, in memory shared with the kernel.
//!
//! In: the map that holds them. Out: which places are taken, and by what; a place is freed as the
//! programs free it, without a system call for each.

use std::{
    num::NonZero,
    os::fd::AsFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tracer_common::journey::MAX_JOURNEYS;

/// Keys that are none, as `table.rs` of the programs has them: a free place, and one that is being
/// written.
const NO_KEYS: [u64; 2] = [0, u64::MAX];

/// The keys, for as long as this lives.
pub(super) struct Keys {
    keys: NonNull<AtomicU64>,
}

// SAFETY: the memory is shared with the kernel in any case, and accessed by atomic operations only.
unsafe impl Send for Keys {}

const BYTES: NonZero<usize> = NonZero::new(MAX_JOURNEYS * size_of::<AtomicU64>()).unwrap();

impl Keys {
    /// Maps them into memory.
    ///
    /// # Errors
    ///
    /// When the kernel refuses: before 5.5 it does.
    pub(super) fn map(map: &MapData) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory, of a map that holds so many bytes.
        let keys = unsafe {
            mmap(
                None,
                BYTES,
                access,
                MapFlags::MAP_SHARED,
                map.fd().as_fd(),
                0,
            )
        }?;
        Ok(Self { keys: keys.cast() })
    }

    /// The places that are taken, and their keys.
    pub(super) fn taken(&self) -> impl Iterator<Item = (u32, u64)> {
        let keys = self.all().iter().zip(0..);
        let keys = keys.map(|(key, place)| (place, key.load(Ordering::Acquire)));
        keys.filter(|(_, key)| !NO_KEYS.contains(key))
    }

    /// Frees a place, if it is still that key's.
    pub(super) fn free(&self, place: u32, key: u64) -> bool {
        let at = self.all().get(place as usize);
        at.is_some_and(|at| {
            at.compare_exchange(key, NO_KEYS[0], Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: mapped for as long as `self` lives, aligned to a page, and atomics may be shared.
        unsafe { std::slice::from_raw_parts(self.keys.as_ptr(), MAX_JOURNEYS) }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and nobody else holds it. It can fail for wrong arguments only.
        let _ = unsafe { munmap(self.keys.cast(), BYTES.get()) };
    }
}
