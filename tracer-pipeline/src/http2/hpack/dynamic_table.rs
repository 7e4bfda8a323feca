//! The dynamic table (RFC 7541 sections 2.3.2 and 4). In: new entries and size changes, in the
//! order of the blocks. Out: the entry of an index, where it is known.
//!
//! Indices count from the newest entry, so a known entry is found even if all older ones are
//! unknown. An entry that the encoder has evicted may stay here: no index refers to it. The caller
//! decides which part of a value is stored.

use std::collections::VecDeque;

use super::HpackError;

/// Most bytes of a table that are stored, counted as in the specification (section 4.1). Of a
/// larger table only the newest entries are known.
pub const KEPT_MAX_BYTES: usize = 64 * 1024;

/// The same while the size of the table is unknown: four times the usual size.
const KEPT_UNSIZED_MAX_BYTES: usize = 16 * 1024;

/// Size of a table before any size update (RFC 9113 section 6.5.2).
pub(super) const DEFAULT_MAX_BYTES: u32 = 4096;

/// Bytes that the specification adds to the lengths of name and value (section 4.1).
const ENTRY_OVERHEAD_BYTES: usize = 32;

/// A field that was sent with indexing.
pub(super) struct Entry {
    /// The name, if known, followed by the stored part of the value.
    text: Box<[u8]>,
    name_bytes: Option<u32>,
    value_kept: bool,
    /// Size as in the specification (section 4.1); without the name where the name is unknown.
    table_bytes: u32,
}

// An entry takes no more memory than its size in the specification, without the allocator's
// overhead.
const _: () = assert!(size_of::<Entry>() <= ENTRY_OVERHEAD_BYTES);

impl Entry {
    /// `kept`: the part of `value` to store.
    pub(super) fn new(name: Option<&[u8]>, value: &[u8], kept: Option<&[u8]>) -> Self {
        let text = [name.unwrap_or_default(), kept.unwrap_or_default()].concat();
        let name_bytes = name.map(<[u8]>::len);
        let table_bytes = name_bytes.unwrap_or(0) + value.len() + ENTRY_OVERHEAD_BYTES;
        Self {
            text: text.into(),
            name_bytes: name_bytes.map(saturating_u32),
            value_kept: kept.is_some(),
            table_bytes: saturating_u32(table_bytes),
        }
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        self.text.get(..self.name_bytes? as usize)
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        let start = self.name_bytes.unwrap_or(0) as usize;
        self.text.get(start..).filter(|_| self.value_kept)
    }
}

fn saturating_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The newest entries of the encoder's table.
pub(super) struct DynamicTable {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// Sum of the entries' sizes: at most the encoder's sum for the same entries, since unknown
    /// names are not counted.
    table_bytes: usize,
    text_bytes: usize,
    /// Entries whose name is unknown.
    nameless: usize,
    /// Bytes; `None` while unknown.
    max_bytes: Option<u32>,
    /// Whether the encoder's table has no entries older than these.
    complete: bool,
}

impl DynamicTable {
    /// The table of a connection that starts.
    pub(super) fn empty() -> Self {
        Self {
            entries: VecDeque::new(),
            table_bytes: 0,
            text_bytes: 0,
            nameless: 0,
            max_bytes: Some(DEFAULT_MAX_BYTES),
            complete: true,
        }
    }

    /// A table with unknown entries and unknown size.
    pub(super) fn unknown() -> Self {
        Self {
            max_bytes: None,
            complete: false,
            ..Self::empty()
        }
    }

    /// Whether every entry of the encoder's table is known, with its name.
    pub(super) fn known(&self) -> bool {
        self.complete && self.nameless == 0
    }

    #[cfg(test)]
    pub(super) fn table_bytes(&self) -> usize {
        self.table_bytes
    }

    #[cfg(test)]
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Bytes on the heap, without the allocator's overhead.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.text_bytes
    }

    /// The entry `nth`, counted from the newest (0); `None` when it is unknown.
    pub(super) fn get(&self, nth: u32) -> Result<Option<&Entry>, HpackError> {
        match self.entries.get(nth as usize) {
            None if self.complete => Err(HpackError::Index),
            entry => Ok(entry),
        }
    }

    /// Adds the newest entry. An entry larger than the table empties it (section 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        let entry_bytes = entry.table_bytes as usize;
        let fits = self.make_room(entry_bytes);
        if fits {
            self.table_bytes += entry_bytes;
            self.text_bytes += entry.text.len();
            self.nameless += usize::from(entry.name_bytes.is_none());
            self.entries.push_front(entry);
        }
    }

    /// Sets the maximum size of the table.
    pub(super) fn resize(&mut self, max_bytes: u32) {
        self.max_bytes = Some(max_bytes);
        self.make_room(0);
        self.complete |= max_bytes == 0;
    }

    /// Evicts entries until `entry_bytes` fit; returns whether they fit.
    fn make_room(&mut self, entry_bytes: usize) -> bool {
        let kept_bytes = self.max_bytes.map_or(KEPT_UNSIZED_MAX_BYTES, |max| {
            KEPT_MAX_BYTES.min(max as usize)
        });
        let mut missing = entry_bytes > kept_bytes;
        while self.table_bytes + entry_bytes > kept_bytes {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            self.table_bytes -= oldest.table_bytes as usize;
            self.text_bytes -= oldest.text.len();
            self.nameless -= usize::from(oldest.name_bytes.is_none());
            missing = true;
        }
        if missing {
            // The encoder evicts the oldest entries first: when it evicts a known entry, all
            // unknown ones are gone. But entries dropped here to save memory are still in the
            // encoder's table.
            self.complete = self
                .max_bytes
                .is_some_and(|max| max as usize <= KEPT_MAX_BYTES);
        }
        entry_bytes <= kept_bytes
    }
}
