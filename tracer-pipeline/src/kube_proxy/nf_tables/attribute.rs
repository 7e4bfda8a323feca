//! Reads netlink attributes. In: bytes. Out: numbers and values, also nested ones. A malformed
//! attribute is a problem and ends the list.

use super::super::finding::Problem;
use super::super::kernel_struct::{text, u32_be};

/// Bytes of the length and the type.
const HEADER_BYTES: usize = 4;
/// NLA_ALIGNTO.
const ALIGNMENT: usize = 4;
/// NLA_TYPE_MASK: removes the flags for nested values and network byte order.
const TYPE_MASK: u16 = 0x3fff;

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'b> {
    pub(super) kind: u16,
    pub(super) value: &'b [u8],
}

impl<'b> Attribute<'b> {
    /// A number in network byte order, as in all of nf_tables.
    pub(super) fn u32(self) -> Result<u32, Problem> {
        u32_be(self.value, 0).ok_or(Problem::Malformed)
    }

    pub(super) fn text(self) -> Result<&'b str, Problem> {
        text(self.value)
    }

    /// The attributes within it.
    pub(super) fn nested(self) -> impl Iterator<Item = Result<Attribute<'b>, Problem>> {
        attributes(self.value)
    }
}

/// The attributes in `bytes`, in order. The first malformed attribute is an error and ends the
/// list.
///
/// The layout is `struct nlattr` (linux/netlink.h): length (u16) with the header included, type
/// (u16), both in host byte order, then the value, padded to four bytes.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Problem>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = split_first(rest);
        rest = split.map_or(&[], |(_, rest)| rest);
        Some(split.map(|(first, _)| first).ok_or(Problem::Malformed))
    })
}

/// The first attribute, and the bytes after its padding.
fn split_first(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (kind, _) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_ne_bytes(*length));
    let attribute = Attribute {
        kind: u16::from_ne_bytes(*kind) & TYPE_MASK,
        value: bytes.get(HEADER_BYTES..length)?,
    };
    // The last attribute may lack its padding.
    let rest = bytes
        .get(length.next_multiple_of(ALIGNMENT)..)
        .unwrap_or_default();
    Some((attribute, rest))
}

/// The first attribute of a kind.
pub(super) fn find(bytes: &[u8], kind: u16) -> Result<Option<Attribute<'_>>, Problem> {
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Vec<Result<(u16, &[u8]), Problem>> {
        attributes(bytes)
            .map(|attribute| attribute.map(|attribute| (attribute.kind, attribute.value)))
            .collect()
    }

    fn header(length: u16, kind: u16) -> Vec<u8> {
        [length.to_ne_bytes(), kind.to_ne_bytes()].concat()
    }

    #[test]
    fn values_are_padded_to_four_bytes_but_for_the_last() {
        let bytes = [
            &header(5, 1)[..],
            b"a\0\0\0",
            &header(4, 2),
            &header(6, 0x8003),
            b"bc",
        ]
        .concat();
        let expected: [(u16, &[u8]); 3] = [(1, b"a"), (2, b""), (3, b"bc")];
        assert_eq!(list(&bytes), expected.map(Ok));
        assert_eq!(list(&[]), []);
    }

    #[test]
    fn a_malformed_attribute_ends_the_list() {
        let good = header(4, 1);
        let expected = [Ok((1, &b""[..])), Err(Problem::Malformed)];
        for bad in [header(3, 2), header(9, 2), header(0, 2), vec![4, 0, 2]] {
            let bytes = [&good[..], &bad].concat();
            assert_eq!(list(&bytes), expected, "{bad:?}");
        }
    }
}
