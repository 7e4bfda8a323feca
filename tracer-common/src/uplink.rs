//! The devices by which a node reaches others: the maps that the agent writes and the programs
//! read.

/// The key of a device in the map of uplinks: its namespace's inode number and its own number.
#[inline(always)]
pub const fn key(netns: u32, ifindex: u32) -> u64 {
    (netns as u64) << 32 | ifindex as u64
}

/// Words of [`Bits`].
pub const BIT_WORDS: usize = 64;

/// One bit for the low bits of a device's number. If it is not set, the device is no uplink.
pub type Bits = [u64; BIT_WORDS];

/// The word of a device in [`Bits`], and its bit there.
#[inline(always)]
pub const fn bit(ifindex: u32) -> (usize, u64) {
    let index = ifindex as usize % (64 * BIT_WORDS);
    (index / 64, 1 << (index % 64))
}

/// Flag: the device is a port of a bridge, which also takes packets for other nodes.
pub const BRIDGED: u32 = 1;
