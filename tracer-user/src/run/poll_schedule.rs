//! When the agent polls the ring buffer without a wake-up from the programs. In: how many records
//! the last poll took. Out: the time of the next.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The period while records come. The buffer holds a good part of a second of a busy node, and
/// records of one poll share the cost of a wake-up.
const BUSY: Duration = Duration::from_millis(20);
/// The period while none come, and so the latency of the next record. The programs wake the agent
/// when the buffer fills.
const IDLE: Duration = Duration::from_millis(100);
/// Empty polls in a row before the period becomes `IDLE`.
const EMPTY_POLLS: u32 = 10;

/// The time of the next poll.
#[derive(Debug)]
pub(super) struct PollSchedule {
    at: Instant,
    empty_polls: u32,
}

impl PollSchedule {
    /// The schedule of an agent that starts at `now`.
    pub(super) fn after(now: Instant) -> Self {
        Self {
            at: now + BUSY,
            empty_polls: 0,
        }
    }

    /// Waits until the next poll is due.
    pub(super) async fn due(&self) {
        sleep_until(self.at).await;
    }

    /// Schedules the next poll after one at `now` that took this many records.
    pub(super) fn found(&mut self, records: usize, now: Instant) {
        self.empty_polls = match records {
            0 => self.empty_polls.saturating_add(1),
            _ => 0,
        };
        let period = if self.empty_polls < EMPTY_POLLS {
            BUSY
        } else {
            IDLE
        };
        self.at = now + period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_node_is_polled_less_often_until_a_record_comes() {
        let now = Instant::now();
        let mut schedule = PollSchedule::after(now);
        for _ in 1..EMPTY_POLLS {
            schedule.found(0, now);
            assert_eq!(schedule.at, now + BUSY);
        }
        schedule.found(0, now);
        assert_eq!(schedule.at, now + IDLE);
        schedule.found(1, now);
        assert_eq!(schedule.at, now + BUSY);
    }
}
