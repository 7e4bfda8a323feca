//! Removes what no span needs from the records of a recording. In: records of the kernel programs, in
//! order. Out: the same records with other bytes in the place of secrets, so that they replay to the
//! same spans.
//!
//! Of HTTP heads and header blocks the values of most fields go, the reason phrase, user and password,
//! the query, and of the path what [`UrlPaths`] does not show; bodies go, but for the sizes of chunks.
//! Lengths and boundaries stay. What cannot be parsed goes, too.

mod header_block;
mod http1;
mod http2;
mod target;

use std::borrow::Cow;

use tracer_common::message::Message;

use crate::{
    decode::{Record, decode, has_payload, payload},
    http::UrlPaths,
};

use http1::Heads;
use http2::Senders;

/// Longest part that is kept of a record that cannot be decoded: its header.
const REFUSED_MAX_BYTES: usize = 80;

/// Redacts the records of one recording.
///
/// Has the beginnings of heads and the compression state of each connection, because a record may
/// continue what an earlier one began.
pub struct Redactor {
    heads: Heads,
    senders: Senders,
}

impl Redactor {
    /// For a recording of which spans show this much of paths.
    pub fn new(url_paths: UrlPaths) -> Self {
        Self {
            heads: Heads::new(url_paths),
            senders: Senders::new(url_paths),
        }
    }

    /// The next record without secrets, of the same length. Of one that cannot be decoded only the
    /// beginning.
    pub fn redact<'r>(&mut self, record: &'r [u8]) -> Cow<'r, [u8]> {
        match decode(record) {
            Ok(Record::Head(head)) => {
                copied(record, |bytes| self.heads.redact(&head, bytes)).into()
            }
            Ok(Record::Fragment(fragment)) => {
                copied(record, |bytes| self.senders.redact(&fragment, bytes)).into()
            }
            Ok(Record::Journey(journey)) => {
                // Addresses, and so the identity of a socket on another node, are used again.
                if journey.message == Message::Syn && journey.in_syn.is_none() {
                    self.senders.forget(journey.sender_cookie);
                }
                record.into()
            }
            Err(_) if has_payload(record) => record[..record.len().min(REFUSED_MAX_BYTES)].into(),
            Ok(_) | Err(_) => record.into(),
        }
    }
}

/// A copy of a record, of which `redact` changes the bytes of the packet. What is behind them is
/// overwritten.
fn copied(record: &[u8], redact: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut copy = record.to_vec();
    let range = payload(record).unwrap_or_default();
    if let Some(behind) = copy.get_mut(range.end..) {
        behind.fill(0);
    }
    if let Some(bytes) = copy.get_mut(range) {
        redact(bytes);
    }
    copy
}
