//! Counters of the messages that could not be paired.

/// Messages that could not be paired, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Http1Losses {
    /// Packets whose heads exceeded the limit.
    pub heads_refused: u64,
    /// Requests sent while an untraced request on the same connection was unanswered, or may have been
    /// because the beginning of the connection was not seen: responses cannot be assigned on such a
    /// connection.
    pub requests_behind_left_out: u64,
    /// Requests that exceeded the limit of open exchanges.
    pub requests_refused: u64,
    /// What looked like requests within the bodies of others.
    pub requests_in_body: u64,
    /// What looked like requests where it is not known whether one begins: the body before has an
    /// end that is not known, or the connection is older than the agent.
    pub requests_unsure: u64,
    /// What looked like responses within the bodies of others.
    pub responses_in_body: u64,
    /// Responses of which it is not known which request they answer, because the end of the response
    /// before is not known, or a request of a client that pipelines was not seen.
    pub responses_unsure: u64,
    /// Packets with heads whose journey was not seen.
    pub heads_unmatched: u64,
    /// Heads whose rest was not seen.
    pub heads_cut: u64,
    /// Packets that began like a head but could not be parsed.
    pub heads_malformed: u64,
    /// Journeys whose head was lost or could not be parsed.
    pub journeys_without_head: u64,
    /// Responses whose request was not seen, for example because it was sent before the agent
    /// started.
    pub responses_unmatched: u64,
    /// Requests closed without a response.
    pub requests_unanswered: u64,
}
