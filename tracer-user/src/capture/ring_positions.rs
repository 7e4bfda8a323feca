//! How many bytes wait in the ring buffer.
//!
//! In: the map. Out: the distance of its two positions, which the kernel shares as two pages of memory
//! (kernel: ringbuf_map_mmap_kern, struct bpf_ringbuf). Reads no record.

use std::{
    num::NonZero,
    os::fd::AsFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The positions, mapped as long as this value lives.
pub(super) struct RingPositions {
    /// The page of the agent's position, then the page of the programs'.
    pages: NonNull<AtomicU64>,
    page_bytes: NonZero<usize>,
}

// SAFETY: the memory is shared with the kernel in any case, and accessed by atomic operations only.
unsafe impl Send for RingPositions {}

impl RingPositions {
    /// Maps the positions of a ring buffer into memory, to read them.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, as it does for another map.
    pub(super) fn map(ring: &MapData) -> nix::Result<Self> {
        let page_bytes = usize::try_from(procfs::page_size()).ok();
        let page_bytes = page_bytes.and_then(NonZero::new);
        let page_bytes = page_bytes.ok_or(nix::errno::Errno::EINVAL)?;
        let bytes = page_bytes.saturating_mul(Self::PAGES);
        let access = ProtFlags::PROT_READ;
        let fd = ring.fd();
        // SAFETY: new memory.
        let pages = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, fd.as_fd(), 0) }?;
        Ok(Self {
            pages: pages.cast(),
            page_bytes,
        })
    }

    const PAGES: NonZero<usize> = NonZero::new(2).unwrap();

    /// Bytes of records that wait, with their headers.
    pub(super) fn waiting_bytes(&self) -> u64 {
        // The agent's position first: the programs' is never behind it.
        let read = self.position(0);
        self.position(1).saturating_sub(read)
    }

    fn position(&self, page: usize) -> u64 {
        let words = self.page_bytes.get() / size_of::<AtomicU64>();
        // SAFETY: the first word of one of the two pages.
        let position = unsafe { self.pages.add(page * words) };
        // SAFETY: mapped as long as `self` lives, and aligned to a page.
        unsafe { position.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for RingPositions {
    fn drop(&mut self) {
        let bytes = self.page_bytes.saturating_mul(Self::PAGES);
        // SAFETY: mapped by `map`, and borrowed by nothing any more. It can fail for wrong
        // arguments only.
        let _ = unsafe { munmap(self.pages.cast(), bytes.get()) };
    }
}
