//! When the ring buffer is looked at, though no program has said that much is waiting. In: what the last
//! look found. Out: the time of the next.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// While there are records. The buffer holds a good part of a second of a busy node, and what comes at
/// once shares the cost of waking up.
const BUSY: Duration = Duration::from_millis(20);
/// While there are none: the first of the next ones is seen that much later, and the programs wake the
/// agent when they are many.
const IDLE: Duration = Duration::from_millis(100);
/// Looks in vain after which there are none.
const IN_VAIN: u32 = 10;

/// The time of the next look.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    in_vain: u32,
}

impl Look {
    /// The first, soon after now.
    pub(super) fn after(now: Instant) -> Self {
        Self {
            at: now + BUSY,
            in_vain: 0,
        }
    }

    /// Waits until it is time.
    pub(super) async fn due(&self) {
        sleep_until(self.at).await;
    }

    /// Plans the next one, after one that found so many records.
    pub(super) fn found(&mut self, records: usize, now: Instant) {
        self.in_vain = match records {
            0 => self.in_vain.saturating_add(1),
            _ => 0,
        };
        let period = if self.in_vain < IN_VAIN { BUSY } else { IDLE };
        self.at = now + period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_node_is_looked_at_less_often_until_there_is_a_record() {
        let now = Instant::now();
        let mut look = Look::after(now);
        for _ in 1..IN_VAIN {
            look.found(0, now);
            assert_eq!(look.at, now + BUSY);
        }
        look.found(0, now);
        assert_eq!(look.at, now + IDLE);
        look.found(1, now);
        assert_eq!(look.at, now + BUSY);
    }
}
