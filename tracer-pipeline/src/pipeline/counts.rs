//! The counters of the pure stages.
//!
//! The report and the metrics are generated from these fields.

use crate::{flow, http, http2, identity::directory::DirectoryStats};

/// Records, exchanges and spans so far, and what was lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records that came in.
    pub records: u64,
    /// Records that could not be decoded.
    pub records_refused: u64,
    /// Exchanges completed or given up.
    pub exchanges: u64,
    /// Exchanges with spans: the request carried a sampled trace context, the response named a sampled
    /// trace, or --untraced started one.
    pub exchanges_traced: u64,
    /// Exchanges without a context that got no trace because of the limit of --untraced.
    pub untraced_left_out: u64,
    /// Exchanges without spans although their trace is sampled: the rate limit was reached, and the edge had
    /// its share.
    pub shed: u64,
    /// Exchanges whose pods had no names yet when the wait for names was over.
    pub exchanges_unnamed: u64,
    /// Connections that could not be opened.
    pub failed_connects: u64,
    /// Failed connects that joined the trace of the request they were probably made for.
    pub failed_connects_inferred: u64,
    /// Failed connects without spans because of a limit.
    pub failed_connects_left_out: u64,
    /// Handshakes that were not kept for the request behind them, because of a bound.
    pub handshakes_left_out: u64,
    /// Connects that the client gave up without an error before the connection was open.
    pub connects_cancelled: u64,
    /// Spans made.
    pub spans: u64,
    /// Entries in the directory of pods and services.
    pub known: DirectoryStats,
    /// Losses of `flow`.
    pub flow: flow::Losses,
    /// Losses of `http`.
    pub http: http::pairing::Http1Losses,
    /// Losses of `http2`.
    pub http2: http2::pairing::Http2Losses,
}
