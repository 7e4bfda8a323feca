//! How full a bounded table is.

/// How full a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Its entries; of the ring buffer, bytes.
    pub entries: u64,
    /// The entries that it can have.
    pub max_entries: u64,
}
