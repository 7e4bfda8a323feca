//! Who asks whom, and how often: by which too many requests are shed where they begin.

/// Places for pairs of client and server. Pairs with one place share what it may have.
pub const EDGES: usize = 4096;
/// A window has 2^27 ns of `CLOCK_MONOTONIC`: 134 ms, seven and a half to a second.
pub const WINDOW_BITS: u32 = 27;

/// The requests of one pair whose context is sampled.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The number of the window that is counted: time shifted by [`WINDOW_BITS`], its low word.
    pub window: u32,
    /// Requests in it.
    pub asked: u32,
    /// Requests in the window before.
    pub asked_before: u32,
}

/// All pairs: one value of a map.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Edges {
    /// By a hash of the addresses.
    pub edges: [Edge; EDGES],
}

const _: () = assert!(size_of::<Edges>() == EDGES * 12);
