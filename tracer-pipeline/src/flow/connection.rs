//! What is remembered of one connection.

use std::collections::VecDeque;

use crate::decode::Tuple;

use super::Ending;

/// Unread messages remembered per connection and direction, 4 KiB; the oldest goes first.
pub(super) const MAX_UNREAD: usize = 1024;
/// What was under way when a socket closed has arrived after this time.
pub(super) const ENDING_NS: u64 = 500_000_000;

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) server_cookie: Option<u64>,
    /// What the server's packets say, before any translation on their way.
    pub(super) from_server: Option<Tuple>,
    pub(super) unread_requests: VecDeque<u32>,
    pub(super) unread_responses: VecDeque<u32>,
    pub(super) last_ns: u64,
    pub(super) ending: Option<Ending>,
    pub(super) is_ending_reported: bool,
    /// Or, of a client on another node, the server is.
    pub(super) is_client_closed: bool,
    /// The sequence number of the client's SYN.
    pub(super) syn_seq: Option<u32>,
    /// More than a handshake.
    pub(super) has_carried: bool,
}

impl Connection {
    /// How it has ended, once nothing is under way any more.
    pub(super) fn ended(&self, now_ns: u64) -> Option<Ending> {
        self.ending
            .filter(|ending| now_ns.saturating_sub(ending.at_ns) >= ENDING_NS)
    }
}

/// Notes a message that its application has yet to read.
pub(super) fn push_unread(unread: &mut VecDeque<u32>, seq: u32) {
    if unread.len() >= MAX_UNREAD {
        unread.pop_front();
    }
    unread.push_back(seq);
}
