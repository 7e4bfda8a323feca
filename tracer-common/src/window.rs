//! A socket has no room for what its peer sends, or has room again: the receive window that it
//! advertises (RFC 9293 section 3.8.6) has become zero, or was and is no more.

/// What has become of a receive window.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// The socket advertises that it has no room.
    Closed = 1,
    /// It has room again.
    Opened = 2,
}

impl TryFrom<u32> for WindowKind {
    type Error = u32;

    fn try_from(value: u32) -> Result<Self, u32> {
        match value {
            1 => Ok(Self::Closed),
            2 => Ok(Self::Opened),
            unknown => Err(unknown),
        }
    }
}

/// The receive window of a socket that has received a message.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// [`crate::RecordKind::Window`].
    pub kind: u32,
    /// A [`WindowKind`].
    pub what: u32,
    /// When the packet that says so left the socket.
    pub at_ns: u64,
    /// When the window closed; the same as `at_ns` where this is that.
    pub closed_ns: u64,
    /// Cookie of the socket whose window it is.
    pub cookie: u64,
}

const _: () = assert!(size_of::<Window>() == 32);
