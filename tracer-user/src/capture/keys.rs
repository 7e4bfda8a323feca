//! The keys of a table of the programs, in memory shared with the kernel: the addresses of the packets
//! whose journeys are under way, or the cookies of sockets.
//!
//! In: the map of the keys. Out: the slots with a key. A slot is taken from its key and freed as
//! the programs do it, by an atomic exchange, without a system call for each.

use std::{
    num::NonZero,
    os::fd::AsFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tracer_common::keys::{BUSY, FREE, is_key};

/// The keys of `N` slots, mapped into memory as long as this value lives.
///
/// The programs on all CPUs load and store them at the same time. Every access on either side is
/// one aligned word: here by atomic operations, there by volatile loads and stores and by an atomic
/// exchange.
pub(super) struct Keys<const N: usize> {
    keys: NonNull<AtomicU64>,
}

// SAFETY: the memory is shared with the kernel in any case, and accessed by atomic operations only.
unsafe impl<const N: usize> Send for Keys<N> {}

/// A slot whose key the agent has exchanged for [`BUSY`]. Until this value is dropped, which frees
/// the slot, or kept, no program finds the journey in the slot, and none opens another there.
pub(super) struct Claimed<'a> {
    slot: &'a AtomicU64,
}

impl<const N: usize> Keys<N> {
    const BYTES: NonZero<usize> = NonZero::new(N * size_of::<AtomicU64>()).unwrap();

    /// Maps the keys into memory. The map has one value, of `N` keys.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, as before 5.5, or if the map is shorter.
    pub(super) fn map(map: &MapData) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory. The kernel maps no more than the map has (array_map_mmap).
        let keys = unsafe {
            mmap(
                None,
                Self::BYTES,
                access,
                MapFlags::MAP_SHARED,
                map.fd().as_fd(),
                0,
            )
        }?;
        Ok(Self { keys: keys.cast() })
    }

    /// The slots with a key, and their keys.
    pub(super) fn taken(&self) -> impl Iterator<Item = (u32, u64)> {
        let keys = self.all().iter().zip(0..);
        let keys = keys.map(|(key, slot)| (slot, key.load(Ordering::Acquire)));
        keys.filter(|(_, key)| is_key(*key))
    }

    /// Takes a slot from its key. `None` if another key has it, or if `key` is [`FREE`] or
    /// [`BUSY`]: the value in such a slot is no journey under way.
    pub(super) fn claim(&self, slot: u32, key: u64) -> Option<Claimed<'_>> {
        let slot = self.all().get(slot as usize)?;
        let is_claimed = is_key(key)
            && slot
                .compare_exchange(key, BUSY, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        is_claimed.then(|| Claimed { slot })
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: mapped as long as `self` lives, aligned to a page, and accessed by atomic
        // operations only.
        unsafe { std::slice::from_raw_parts(self.keys.as_ptr(), N) }
    }
}

impl Claimed<'_> {
    /// Gives the slot back to its key.
    pub(super) fn keep(self, key: u64) {
        self.slot.store(key, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.slot.store(FREE, Ordering::Release);
    }
}

impl<const N: usize> Drop for Keys<N> {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and borrowed by nothing any more. It can fail for wrong
        // arguments only.
        let _ = unsafe { munmap(self.keys.cast(), Self::BYTES.get()) };
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::mman::mmap_anonymous;

    use super::*;

    /// Free slots without programs.
    fn free() -> Keys<8> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory.
        let keys = unsafe { mmap_anonymous(None, Keys::<8>::BYTES, access, MapFlags::MAP_PRIVATE) };
        Keys {
            keys: keys.unwrap().cast(),
        }
    }

    #[test]
    fn a_reserved_word_has_no_slot() {
        let keys = free();
        keys.all()[1].store(BUSY, Ordering::Relaxed);
        keys.all()[2].store(7, Ordering::Relaxed);
        assert!(keys.taken().eq([(2, 7)]));
        assert!(keys.claim(0, FREE).is_none());
        assert!(keys.claim(1, BUSY).is_none());
    }

    #[test]
    fn a_claimed_slot_is_hidden_then_free_or_as_before() {
        let keys = free();
        keys.all()[2].store(7, Ordering::Relaxed);
        assert!(keys.claim(2, 8).is_none());
        let claimed = keys.claim(2, 7).unwrap();
        assert_eq!(keys.taken().count(), 0);
        assert!(keys.claim(2, 7).is_none());
        claimed.keep(7);
        assert!(keys.taken().eq([(2, 7)]));
        drop(keys.claim(2, 7));
        assert_eq!(keys.all()[2].load(Ordering::Relaxed), FREE);
    }
}
