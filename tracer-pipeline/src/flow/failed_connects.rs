//! Failed connects, held back until packets in flight at their failure have arrived.
//!
//! In: failed connects, in the order in which they failed. Out: their events, half a second later.
//! Bounded.

use std::collections::VecDeque;

use crate::decode::FailedConnect;

use super::{ConnectionId, Event, EventKind};

/// Bound on failed connects held back, about 100 bytes each. A client in a tight loop makes
/// thousands a second.
const MAX_FAILED_CONNECTS: usize = 8192;

/// Failed connects, the oldest first.
#[derive(Debug, Default)]
pub(super) struct FailedConnects(VecDeque<FailedConnect>);

impl FailedConnects {
    /// Adds a failed connect; `false` where there is no room.
    pub(super) fn push(&mut self, failed: FailedConnect) -> bool {
        let has_room = self.0.len() < MAX_FAILED_CONNECTS;
        if has_room {
            self.0.push_back(failed);
        }
        has_room
    }

    /// Removes those that failed until `until_ns`, as events.
    pub(super) fn take_until(&mut self, until_ns: u64) -> impl Iterator<Item = Event> {
        std::iter::from_fn(move || self.0.pop_front_if(|failed| failed.at_ns <= until_ns))
            .map(|failed| ConnectionId(failed.cookie).event(EventKind::ConnectFailed(failed)))
    }

    /// Removes those of one socket that failed until `until_ns`.
    pub(super) fn take(&mut self, cookie: u64, until_ns: u64) -> Vec<FailedConnect> {
        let is_due = |failed: &FailedConnect| failed.cookie == cookie && failed.at_ns <= until_ns;
        let (due, others) = self.0.drain(..).partition(is_due);
        self.0 = others;
        Vec::from(due)
    }
}
