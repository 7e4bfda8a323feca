//! The order of TCP's sequence numbers, which compare modulo 2^32 (RFC 9293 section 3.4).

/// Whether `a` comes before `b`.
#[inline(always)]
pub const fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// Whether `a` comes after `b`.
#[inline(always)]
pub const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        for (a, b, expected) in [
            (1, 2, true),
            (2, 1, false),
            (7, 7, false),
            (u32::MAX, 0, true),
            (0, u32::MAX, false),
            (0x7fff_ffff, 0x8000_0000, true),
        ] {
            assert_eq!(before(a, b), expected, "{a} before {b}");
            assert_eq!(after(b, a), expected, "{b} after {a}");
        }
    }
}
