//! Requests of each client to each server, counted so that too many are shed where they begin.

/// Entries for pairs of client and server. Pairs with the same hash share an entry and its limit.
pub const EDGES: usize = 4096;
/// A window has 2^27 ns of `CLOCK_MONOTONIC`: 134 ms, seven and a half to a second.
pub const WINDOW_BITS: u32 = 27;

/// The requests of one pair whose trace context is sampled.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Number of the newest window: the time shifted by [`WINDOW_BITS`], its low word.
    pub window: u32,
    /// Requests in that window.
    pub requests: u32,
    /// Requests in the window before.
    pub requests_before: u32,
}

/// All pairs: one value of a map.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Edges {
    /// By a hash of the addresses and the server's port.
    pub edges: [Edge; EDGES],
}

const _: () = assert!(size_of::<Edges>() == EDGES * 12);
