//! Counts the entries of a hash map.
//!
//! In: a hash map of the kernel, which has no count of its own. Out: how many entries it had while it
//! was read. The kernel copies many entries with one system call (BPF_MAP_LOOKUP_BATCH, from 5.6) and
//! locks one bucket at a time. Rejected: asking for the next key after each key, which takes a system
//! call for each, and begins again where that key has been removed meanwhile.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::maps::{MapData, MapError};
use aya_obj::generated::{bpf_attr, bpf_cmd};

/// Entries that one system call copies. A bucket has to fit; an ordinary one has a few entries.
const BATCH: u32 = 1024;

/// A hash map, and room for some of its entries.
pub(super) struct HashMapEntries {
    map: MapData,
    max_entries: u32,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl HashMapEntries {
    /// The entries of `map`, which is a hash map with one value for all CPUs.
    ///
    /// # Errors
    ///
    /// If the kernel does not describe the map.
    pub(super) fn new(map: MapData) -> Result<Self, MapError> {
        let info = map.info()?;
        let room = |bytes: u32| vec![0; (BATCH * bytes.next_multiple_of(8)) as usize];
        Ok(Self {
            max_entries: info.max_entries(),
            keys: room(info.key_size()),
            values: room(info.value_size()),
            map,
        })
    }

    /// The entries that the map can have.
    pub(super) fn max_entries(&self) -> u64 {
        self.max_entries.into()
    }

    /// Counts the entries. One that is added or removed meanwhile may be counted or not.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, as before 5.6.
    pub(super) fn count(&mut self) -> io::Result<u64> {
        let mut entries = 0;
        let mut position = None;
        loop {
            let batch = self.next(position)?;
            entries += u64::from(batch.count);
            match batch.next {
                // Each batch ends in a later bucket, of which there are no more than entries.
                Some(next) => position = Some(next),
                None => return Ok(entries),
            }
        }
    }

    /// Copies the entries at a position; the first ones at `None`.
    fn next(&mut self, position: Option<u32>) -> io::Result<Batch> {
        let (from, mut next) = (position.unwrap_or(0), 0_u32);
        // SAFETY: `bpf_attr` is plain data, for which zero is valid.
        let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
        attr.batch.in_batch = position.map_or(0, |_| &raw const from as u64);
        attr.batch.out_batch = &raw mut next as u64;
        attr.batch.keys = self.keys.as_mut_ptr() as u64;
        attr.batch.values = self.values.as_mut_ptr() as u64;
        attr.batch.count = BATCH;
        attr.batch.map_fd = self.map.fd().as_fd().as_raw_fd() as u32;
        let command = bpf_cmd::BPF_MAP_LOOKUP_BATCH;
        // SAFETY: `attr` is filled for this command. The kernel writes a position of 32 bits, and at
        // most `BATCH` keys and values, for which there is room; all of it outlives the call.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, command, &mut attr, size_of::<bpf_attr>()) };
        let error = (result < 0).then(io::Error::last_os_error);
        // SAFETY: the member that the command uses; the kernel has stored the count in it.
        let count = unsafe { attr.batch.count };
        match error {
            None => Ok(Batch {
                count,
                next: Some(next),
            }),
            // The map's end.
            Some(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                Ok(Batch { count, next: None })
            }
            Some(error) => Err(error),
        }
    }
}

/// What one system call has copied.
struct Batch {
    count: u32,
    /// Where the next one begins.
    next: Option<u32>,
}
