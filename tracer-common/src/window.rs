//! The receive window that a socket advertises (RFC 9293 section 3.8.6) has become zero, or is open
//! again.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::from_number::from_number;

/// The change of a receive window.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// The window has become zero: the socket has no room for what its peer sends.
    Closed = 1,
    /// The window is open again.
    Opened = 2,
}

from_number!(WindowKind: u32, Closed, Opened);

/// The change of the receive window of a socket that has received a message.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Window {
    /// [`crate::RecordKind::Window`].
    pub kind: u32,
    /// A [`WindowKind`].
    pub what: u32,
    /// When the packet with the window left the socket.
    pub at_ns: u64,
    /// When the window closed; equal to `at_ns` in a record of that.
    pub closed_ns: u64,
    /// Cookie of the socket with the window.
    pub cookie: u64,
}

const _: () = assert!(size_of::<Window>() == 32);
