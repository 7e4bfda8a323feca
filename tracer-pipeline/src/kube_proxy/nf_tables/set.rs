//! Reads elements of nf_tables' sets and maps. In: an element's attributes. Out: key, value and
//! comment.

use super::super::finding::Problem;
use super::attribute::{Attribute, attributes};
use super::expression::{Data, Verdict};

/// NFT_SET_ELEM_INTERVAL_END: the element is the end of another element's interval.
const INTERVAL_END: u32 = 1;
/// NFTNL_UDATA_SET_ELEM_COMMENT, NFTNL_UDATA_RULE_COMMENT of libnftnl.
const COMMENT: u8 = 0;

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    /// The set is no map.
    Nothing,
    Chain(String),
    Drop,
    /// Another verdict.
    Other,
    Value(Vec<u8>),
}

/// An element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The key's parts, each padded to four bytes.
    pub(super) key: Vec<u8>,
    pub(super) mapped: Mapped,
    pub(super) comment: Option<String>,
}

impl Element {
    /// Reads one element of NFTA_SET_ELEM_LIST_ELEMENTS; `None` where it only ends an interval.
    pub(super) fn read(element: Attribute<'_>) -> Result<Option<Self>, Problem> {
        let (mut key, mut mapped, mut comment) = (None, Mapped::Nothing, None);
        for attribute in element.nested() {
            let attribute = attribute?;
            match attribute.kind {
                // NFTA_SET_ELEM_KEY
                1 => match Data::read(attribute)? {
                    Data::Value(value) => key = Some(value.to_vec()),
                    Data::Verdict(_) => return Err(Problem::Malformed),
                },
                // NFTA_SET_ELEM_DATA
                2 => mapped = Mapped::of(Data::read(attribute)?),
                // NFTA_SET_ELEM_FLAGS
                3 if attribute.u32()? & INTERVAL_END != 0 => return Ok(None),
                // NFTA_SET_ELEM_USERDATA
                6 => comment = user_comment(attribute.value),
                _ => {}
            }
        }
        Ok(key.map(|key| Self {
            key,
            mapped,
            comment,
        }))
    }
}

impl Mapped {
    fn of(data: Data<'_>) -> Self {
        match data {
            Data::Value(value) => Self::Value(value.to_vec()),
            Data::Verdict(Verdict::Chain(chain)) => Self::Chain(chain.to_owned()),
            Data::Verdict(Verdict::Drop) => Self::Drop,
            Data::Verdict(Verdict::Other) => Self::Other,
        }
    }
}

/// The comment that nft and iptables-nft store with a rule or an element: a list of kind, length (a
/// byte each) and value. The kernel does not check it, so malformed data is treated as no comment.
pub(super) fn user_comment(mut data: &[u8]) -> Option<String> {
    while let [kind, bytes, rest @ ..] = data {
        let (value, after) = rest.split_at_checked(usize::from(*bytes))?;
        if *kind == COMMENT {
            let value = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(value).into_owned());
        }
        data = after;
    }
    None
}

/// The elements in NFTA_SET_ELEM_LIST_ELEMENTS.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = Result<Element, Problem>> {
    attributes(list).filter_map(|element| element.and_then(Element::read).transpose())
}
