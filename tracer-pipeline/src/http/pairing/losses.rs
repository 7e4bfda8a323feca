//! What pairing lost, and why.

/// What could not be paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Packets with heads beyond the limit.
    pub heads_refused: u64,
    /// Requests that were sent before the one before was answered, which was not followed: of such a
    /// connection nobody can tell which answer is whose.
    pub requests_behind_left_out: u64,
    /// Requests beyond the limit of open exchanges.
    pub requests_refused: u64,
    /// Packets with heads whose journey never came.
    pub heads_unmatched: u64,
    /// Heads whose rest never came.
    pub heads_cut: u64,
    /// Packets that began like a head and were none.
    pub heads_malformed: u64,
    /// Journeys whose head was lost or is no head.
    pub journeys_without_head: u64,
    /// Responses to no request seen here (requests sent before the agent started).
    pub responses_unmatched: u64,
    /// Requests given up without a response.
    pub requests_unanswered: u64,
}
