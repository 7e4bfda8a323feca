//! Where the bytes of packets are in a record.

use std::ops::Range;

use tracer_common::{RecordKind, fragment, head};

use super::plain::from_prefix;

/// Whether a record may have bytes of packets. A record of an unknown kind has none.
pub fn has_payload(record: &[u8]) -> bool {
    let kind = record.first_chunk().map(|kind| u32::from_ne_bytes(*kind));
    matches!(
        kind.map(RecordKind::try_from),
        Some(Ok(RecordKind::Head | RecordKind::Fragment))
    )
}

/// The bytes of the packet in a record that [`decode`](super::decode) accepts; behind them the record may have others. `None`
/// for a record without.
pub fn payload(record: &[u8]) -> Option<Range<usize>> {
    let kind = u32::from_ne_bytes(*record.first_chunk()?);
    let (begin, bytes) = match RecordKind::try_from(kind).ok()? {
        RecordKind::Head => {
            let raw: head::Head = from_prefix(record)?;
            (size_of::<head::Head>(), raw.captured_bytes)
        }
        RecordKind::Fragment => {
            let raw: fragment::Fragment = from_prefix(record)?;
            (size_of::<fragment::Fragment>(), raw.captured_bytes)
        }
        _ => return None,
    };
    Some(begin..begin.checked_add(usize::try_from(bytes).ok()?)?)
}
