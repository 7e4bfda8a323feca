//! Reads fields of the kernel's binary structures. In: bytes and an offset. Out: the field; `None`
//! where the bytes end before it.

use std::net::IpAddr;

use super::finding::Problem;

/// The address family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Length of an address in bytes.
    pub(super) fn address_bytes(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The address at the start of `bytes`, in network byte order.
    pub(super) fn address(self, bytes: &[u8]) -> Option<IpAddr> {
        Some(match self {
            Self::V4 => IpAddr::from(*bytes.first_chunk::<4>()?),
            Self::V6 => IpAddr::from(*bytes.first_chunk::<16>()?),
        })
    }
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// A number in native byte order, as in most of the kernel's structures.
pub(super) fn u16_ne(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn u32_ne(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

/// A string up to its NUL or, without one, to the end of the bytes.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = bytes.get(..end.unwrap_or(bytes.len()));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    text.ok_or(Problem::Malformed)
}

/// The prefix length of a mask; `None` where the mask is no prefix.
pub(super) fn prefix_bits(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let full = mask.iter().take_while(|byte| **byte == 0xff).count();
    let next = mask.get(full).map_or(0, |byte| byte.leading_ones());
    let leading = u32::try_from(full * 8).ok()? + next;
    (leading == ones).then_some(ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(prefix_bits(&[]), Some(0));
        assert_eq!(prefix_bits(&[0xff, 0xf0, 0]), Some(12));
        assert_eq!(prefix_bits(&[0xff, 0xff]), Some(16));
        assert_eq!(prefix_bits(&[0, 0]), Some(0));
        for mask in [&[0xf7][..], &[0xfe, 1], &[0, 1]] {
            assert_eq!(prefix_bits(mask), None, "{mask:?}");
        }
    }

    #[test]
    fn fields_beyond_the_bytes_are_none() {
        assert_eq!(u16_be(&[1, 2], 0), Some(0x0102));
        assert_eq!(u16_be(&[1, 2], 1), None);
        assert_eq!(u32_ne(&[1, 2, 3, 4], usize::MAX), None);
        assert_eq!(text(b"nat\0\xff"), Ok("nat"));
        assert_eq!(text(b"nat"), Ok("nat"));
        assert_eq!(text(b"\xff\0"), Err(Problem::Malformed));
    }
}
