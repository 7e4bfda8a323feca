//! One message at one hook.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where and when a packet was seen.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Stamp {
    /// Nanoseconds after the journey's `start_ns`; saturates at 4.29 s.
    pub offset_ns: u32,
    /// Inode number of the device's network namespace; 0 if the hook has no device.
    pub netns: u32,
    /// The device, within `netns`; 0 if the hook has none.
    pub ifindex: u32,
    /// A [`crate::hook::Hook`].
    pub hook: u8,
    /// Zero.
    pub padding: [u8; 3],
}

const _: () = assert!(size_of::<Stamp>() == 16);

impl Stamp {
    /// An unused element of a journey.
    pub const ZERO: Self = Self {
        offset_ns: 0,
        netns: 0,
        ifindex: 0,
        hook: 0,
        padding: [0; 3],
    };
}
