//! What the pure stages have counted, as the report and the metrics show it.
//!
//! A field more is in both without anybody's doing.

use crate::{flow, http, http2, identity::directory::DirectoryStats};

use super::Shed;

/// Records, exchanges and spans so far, and what was lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records that came in.
    pub records: u64,
    /// Records that could not be decoded.
    pub records_refused: u64,
    /// Exchanges completed or given up.
    pub exchanges: u64,
    /// Exchanges that have spans: their request carried a sampled trace context, or they were given a
    /// trace.
    pub exchanges_traced: u64,
    /// Exchanges without a context that were given no trace because there were more than allowed.
    pub untraced_left_out: u64,
    /// Exchanges that have no spans because there was no room for them, or more than allowed.
    pub shed: Shed,
    /// Of the exchanges, the ones whose pods had no names yet when it was time for their spans.
    pub exchanges_unnamed: u64,
    /// Connections that could not be opened.
    pub failed_connects: u64,
    /// Of those, the ones that joined the trace of the request for which they probably were.
    pub failed_connects_inferred: u64,
    /// Of those, the ones without spans because there were more than allowed.
    pub failed_connects_left_out: u64,
    /// Connections whose client changed its mind before they were open.
    pub connects_cancelled: u64,
    /// Spans made.
    pub spans: u64,
    /// Pods and services that are known now.
    pub known: DirectoryStats,
    /// What `flow` could not place.
    pub flow: flow::Losses,
    /// What `http` could not pair.
    pub http: http::pairing::Http1Losses,
    /// What `http2` could not follow.
    pub http2: http2::pairing::Http2Losses,
}
