//! What the flow table could not keep or assign.

/// Counts of records that could not be assigned to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Journeys of connections beyond the bound.
    pub connections_refused: u64,
    /// Journeys whose connection is unknown, such as a dropped response of a connection whose
    /// requests were not seen.
    pub journeys_unplaced: u64,
    /// Fragments of HTTP/2 whose connection stayed unknown.
    pub fragments_unplaced: u64,
    /// Messages whose time of the read stays unknown, because too many were unread.
    pub unread_discarded: u64,
    /// Failed connects beyond the bound on those held back.
    pub failed_connects_refused: u64,
}
