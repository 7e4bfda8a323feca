//! Requests that are followed for those who watch, beside those whose spans are exported.

/// What the programs follow for watchers: one value of a map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Requests in a window ([`crate::edge::WINDOW_BITS`]); 0 while nobody watches.
    pub limit: u32,
    /// Number of the window: the time shifted, its low word.
    pub window: u32,
    /// Requests in that window.
    pub requests: u32,
    /// Requests beyond the limit, of all windows.
    pub left_out: u32,
}

const _: () = assert!(size_of::<Watch>() == 16);
