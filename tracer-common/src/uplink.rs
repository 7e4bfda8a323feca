//! The devices by which a node reaches others, as the agent tells the programs.

/// The key of a device in the map of uplinks: its namespace's inode number and its own number.
#[inline(always)]
pub const fn key(netns: u32, ifindex: u32) -> u64 {
    (netns as u64) << 32 | ifindex as u64
}

/// Flag: the device is a port of a bridge, which takes packets for others than this node.
pub const BRIDGED: u32 = 1;
