//! The words in a table of keys, by which the programs find journeys and sockets. The agent maps
//! the keys into its memory.

/// Sockets remembered. If there are more, a new socket takes the slot of any in its bucket. A power of
/// two.
pub const MAX_SOCKETS: usize = 131_072;

/// A slot without a key. Reserved: not a key itself.
pub const FREE: u64 = 0;
/// A slot whose value is being written. Reserved as well.
pub const BUSY: u64 = u64::MAX;

/// Whether a word is a key: the address of a packet, or the cookie of a socket.
///
/// No packet is at a reserved address. The cookie of a socket is 0 until the kernel makes one, and
/// 2^64 - 1 if it is the first that the kernel counts down: such a socket is not remembered.
#[inline(always)]
pub const fn is_key(word: u64) -> bool {
    word != FREE && word != BUSY
}
