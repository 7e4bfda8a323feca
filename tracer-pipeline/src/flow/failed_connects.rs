//! Connects that have failed, until what was under way when they did has arrived.
//!
//! In: failures, in the order in which they happened. Out: the same, a moment later. Bounded.

use std::collections::VecDeque;

use crate::decode::FailedConnect;

use super::{ConnectionId, Event, EventKind};

/// Failures that are held back, some 100 bytes each. A client in a tight loop makes thousands a second.
const MAX_FAILED_CONNECTS: usize = 8192;

/// Failures, the oldest first.
#[derive(Debug, Default)]
pub(super) struct FailedConnects(VecDeque<FailedConnect>);

impl FailedConnects {
    /// Takes one in; `false` where there is no room.
    pub(super) fn push(&mut self, failed: FailedConnect) -> bool {
        let has_room = self.0.len() < MAX_FAILED_CONNECTS;
        if has_room {
            self.0.push_back(failed);
        }
        has_room
    }

    /// Those that had happened by then, as events.
    pub(super) fn take_until(&mut self, until_ns: u64) -> impl Iterator<Item = Event> {
        std::iter::from_fn(move || self.0.pop_front_if(|failed| failed.at_ns <= until_ns))
            .map(|failed| ConnectionId(failed.cookie).event(EventKind::ConnectFailed(failed)))
    }

    /// Those of one socket that had happened by then.
    pub(super) fn take(&mut self, cookie: u64, until_ns: u64) -> Vec<FailedConnect> {
        let is_meant = |failed: &FailedConnect| failed.cookie == cookie && failed.at_ns <= until_ns;
        let (meant, others) = self.0.drain(..).partition(is_meant);
        self.0 = others;
        Vec::from(meant)
    }
}
