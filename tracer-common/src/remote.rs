//! What stands in for the cookie of a socket on another node, of which only packets are seen here.
//!
//! It is a hash of the addresses and ports of its packets as they arrive, the same for its SYN and
//! for all that follow. The kernel counts real cookies up from 1 and, where one interrupts the making
//! of another, down from 2^64 - 1 (kernel: gen_cookie_next, 5.11 and later): neither comes to the
//! quarter of the numbers that begins with the bits 10.

/// The two highest bits of every stand-in.
pub const REMOTE: u64 = 1 << 63;
const HIGHEST_BITS: u32 = 62;

/// Whether a cookie is none, but stands in for one.
#[inline(always)]
pub const fn is_remote(cookie: u64) -> bool {
    cookie >> HIGHEST_BITS == REMOTE >> HIGHEST_BITS
}

/// The stand-in with this hash.
#[inline(always)]
pub const fn stand_in(hash: u64) -> u64 {
    REMOTE | hash >> (u64::BITS - HIGHEST_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_real_cookie_is_a_stand_in() {
        for hash in [0, 1, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            assert!(is_remote(stand_in(hash)), "{hash:x}");
        }
        for cookie in [0, 1, u64::MAX >> 1, u64::MAX, u64::MAX - (1 << 40)] {
            assert!(!is_remote(cookie), "{cookie:x}");
        }
    }
}
