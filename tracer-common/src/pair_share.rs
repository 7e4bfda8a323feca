//! What the packets between each two addresses have put into the ring buffer, counted so that no
//! pair takes the room of all others.

/// Entries for pairs of addresses. Pairs with the same hash share an entry.
pub const PAIRS: usize = 4096;

/// What a record counts besides its bytes: the agent's work for it.
pub const RECORD_BYTES: u32 = 128;

/// One pair of addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairShare {
    /// Number of the newest window: the time shifted by [`WINDOW_BITS`](crate::edge::WINDOW_BITS),
    /// its low word.
    pub window: u32,
    /// Bytes of records in that window, with [`RECORD_BYTES`] for each.
    pub bytes: u32,
    /// Records that were lost because the pair had used its share.
    pub lost: u64,
    /// The addresses of the last of them; each word in network byte order.
    pub addresses_be: [[u32; 4]; 2],
}

/// All pairs: one value of a map.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PairShares {
    /// By a hash of both addresses, in whatever order.
    pub pairs: [PairShare; PAIRS],
}

const _: () = assert!(size_of::<PairShares>() == PAIRS * 48);
