//! A network device, reported the first time a journey passes it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest interface name with its NUL (`IFNAMSIZ`).
pub const NAME_BYTES: usize = 16;

/// `net_device.priv_flags`: this device is a bridge (`IFF_EBRIDGE`).
pub const IS_BRIDGE: u32 = 1 << 1;
/// `net_device.priv_flags`: this device is a port of a bridge (`IFF_BRIDGE_PORT`).
pub const IS_BRIDGE_PORT: u32 = 1 << 9;

/// A device in any network namespace of the machine.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Device {
    /// [`crate::RecordKind::Device`].
    pub kind: u32,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Its number within that namespace.
    pub ifindex: u32,
    /// `net_device.priv_flags`.
    pub flags: u32,
    /// Its name, padded with NUL.
    pub name: [u8; NAME_BYTES],
    /// `rtnl_link_ops.kind` ("veth", "bridge", "vxlan"), padded with NUL; empty for hardware.
    pub link_kind: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<Device>() == 48);
