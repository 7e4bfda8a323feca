//! The devices by which a node reaches others, as the agent tells the programs.

/// The key of a device in the map of uplinks: its namespace's inode number and its own number.
#[inline(always)]
pub const fn key(netns: u32, ifindex: u32) -> u64 {
    (netns as u64) << 32 | ifindex as u64
}

/// Words of [`Bits`].
pub const BIT_WORDS: usize = 64;

/// Bits by the low bits of a device's number: where that of a device is not set, it is no uplink.
pub type Bits = [u64; BIT_WORDS];

/// The word of a device in [`Bits`], and its bit there.
#[inline(always)]
pub const fn bit(ifindex: u32) -> (usize, u64) {
    let index = ifindex as usize % (64 * BIT_WORDS);
    (index / 64, 1 << (index % 64))
}

/// Flag: the device is a port of a bridge, which takes packets for others than this node.
pub const BRIDGED: u32 = 1;
