//! Netlink attributes. In: bytes. Out: numbers and values, nested ones too. What is broken ends the
//! list, and is a problem.

use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};

use super::super::field::{text, u32_be};
use super::super::finding::Problem;

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'b> {
    pub(super) kind: u16,
    pub(super) value: &'b [u8],
}

impl<'b> Attribute<'b> {
    /// A number in network byte order, as all of nf_tables' are.
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

/// The attributes in `bytes`, one after the other.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Problem>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|_| Problem::Malformed)?;
        let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(NLA_HEADER_SIZE..end);
        let value = value.ok_or(Problem::Malformed)?;
        Ok(Attribute { kind, value })
    })
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
