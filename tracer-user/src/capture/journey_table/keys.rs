//! The addresses of the packets whose journeys are under way, in memory shared with the kernel.
//!
//! In: the map that holds them. Out: which places are taken, and by what. A place is taken from its
//! key and freed as the programs do it, by compare and exchange, without a system call for each.

use std::{
    num::NonZero,
    os::fd::AsFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tracer_common::journey::MAX_JOURNEYS;

/// The two words that are no address of a packet, as `keys.rs` of the programs defines them: a free
/// place, and one that is being written.
const FREE: u64 = 0;
const BUSY: u64 = u64::MAX;

/// The keys, for as long as this lives.
///
/// The programs on all CPUs load and store them at the same time. Every access on either side is one
/// aligned word: here by atomic operations, there by volatile loads and stores and by an atomic exchange.
pub(super) struct Keys {
    keys: NonNull<AtomicU64>,
}

// SAFETY: the memory is shared with the kernel in any case, and accessed by atomic operations only.
unsafe impl Send for Keys {}

/// A place whose key this process has exchanged for [`BUSY`]: until it is dropped or kept, no program
/// finds the journey in it, and none begins another there.
pub(super) struct Claimed<'a> {
    place: &'a AtomicU64,
}

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

    /// The places that hold a key, and their keys; never one of the two reserved words.
    pub(super) fn taken(&self) -> impl Iterator<Item = (u32, u64)> {
        let keys = self.all().iter().zip(0..);
        let keys = keys.map(|(key, place)| (place, key.load(Ordering::Acquire)));
        keys.filter(|(_, key)| is_key(*key))
    }

    /// Takes a place from its key, if it still is that key's. A reserved word owns no place.
    pub(super) fn claim(&self, place: u32, key: u64) -> Option<Claimed<'_>> {
        let place = self.all().get(place as usize)?;
        let is_claimed = is_key(key)
            && place
                .compare_exchange(key, BUSY, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        is_claimed.then(|| Claimed { place })
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: mapped for as long as `self` lives, aligned to a page, and atomics may be shared.
        unsafe { std::slice::from_raw_parts(self.keys.as_ptr(), MAX_JOURNEYS) }
    }
}

const fn is_key(word: u64) -> bool {
    word != FREE && word != BUSY
}

impl Claimed<'_> {
    /// Gives the place back to its key.
    pub(super) fn keep(self, key: u64) {
        self.place.store(key, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.place.store(FREE, Ordering::Release);
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and borrowed by nothing any more. It can fail for wrong arguments only.
        let _ = unsafe { munmap(self.keys.cast(), BYTES.get()) };
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::mman::mmap_anonymous;

    use super::*;

    /// Free places that no program knows.
    fn free() -> Keys {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory.
        let keys = unsafe { mmap_anonymous(None, BYTES, access, MapFlags::MAP_PRIVATE) };
        Keys {
            keys: keys.unwrap().cast(),
        }
    }

    #[test]
    fn a_reserved_word_owns_no_place() {
        let keys = free();
        keys.all()[1].store(BUSY, Ordering::Relaxed);
        keys.all()[2].store(7, Ordering::Relaxed);
        assert!(keys.taken().eq([(2, 7)]));
        assert!(keys.claim(0, FREE).is_none());
        assert!(keys.claim(1, BUSY).is_none());
    }

    #[test]
    fn a_claimed_place_is_hidden_then_free_or_as_before() {
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
