//! Synthetic cookies: they identify sockets on other nodes, of which only packets are seen here.
//!
//! A synthetic cookie is a hash of the addresses and ports of the socket's packets as they arrive,
//! the same for the SYN and for every later packet. It never equals the cookie of a socket on this
//! node. The kernel counts cookies up from 1 and, if it is interrupted while it makes one, down
//! from 2^64 - 1 (kernel: gen_cookie_next, 5.11 and later). Neither reaches the quarter of the
//! numbers that begins with the bits 10.

/// The two highest bits of every synthetic cookie.
pub const REMOTE: u64 = 1 << 63;
const HIGHEST_BITS: u32 = 62;

/// Whether a cookie is synthetic.
#[inline(always)]
pub const fn is_remote(cookie: u64) -> bool {
    cookie >> HIGHEST_BITS == REMOTE >> HIGHEST_BITS
}

/// The synthetic cookie with this hash.
#[inline(always)]
pub const fn synthetic_cookie(hash: u64) -> u64 {
    REMOTE | hash >> (u64::BITS - HIGHEST_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cookie_of_the_kernel_is_synthetic() {
        for hash in [0, 1, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            assert!(is_remote(synthetic_cookie(hash)), "{hash:x}");
        }
        for cookie in [0, 1, u64::MAX >> 1, u64::MAX, u64::MAX - (1 << 40)] {
            assert!(!is_remote(cookie), "{cookie:x}");
        }
    }
}
