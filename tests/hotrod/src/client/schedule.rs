//! When each dispatch is due. In: the number of dispatches and their rate. Out: their times, in
//! order, shared by all workers.
//!
//! With a rate, the times are fixed before the first dispatch: when all workers wait for slow
//! responses, the next dispatch is late, and its lateness counts as latency. A load that waits for
//! a response before it sends again measures nothing while the server stands still ("coordinated
//! omission").

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The times of a number of dispatches.
#[derive(Debug)]
pub(super) struct Schedule {
    begin: Instant,
    dispatches: u64,
    /// `None`: each is due when a worker is free.
    per_second: Option<u32>,
    taken: AtomicU64,
}

impl Schedule {
    /// Begins now.
    pub(super) fn new(dispatches: u64, per_second: Option<u32>) -> Self {
        Self {
            begin: Instant::now(),
            dispatches,
            per_second,
            taken: AtomicU64::new(0),
        }
    }

    /// Takes the next dispatch and waits until it is due. `None` when all are taken.
    pub(super) async fn next(&self) -> Option<Instant> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.dispatches {
            return None;
        }
        let Some(due) = self.due(number) else {
            return Some(Instant::now());
        };
        // A late dispatch does not wait.
        tokio::time::sleep_until(due.into()).await;
        Some(due)
    }

    fn due(&self, number: u64) -> Option<Instant> {
        let per_second = f64::from(self.per_second?);
        Some(self.begin + Duration::from_secs_f64(number as f64 / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_dispatch_is_handed_out_once() {
        let schedule = Schedule::new(2, None);
        assert!(schedule.next().await.is_some());
        assert!(schedule.next().await.is_some());
        assert_eq!(schedule.next().await, None);
        assert_eq!(schedule.next().await, None);
    }

    #[tokio::test]
    async fn a_late_dispatch_keeps_its_due_time() {
        let mut schedule = Schedule::new(2, Some(10));
        schedule.begin -= Duration::from_secs(10);
        let first = schedule.next().await.unwrap();
        let second = schedule.next().await.unwrap();
        assert_eq!(second - first, Duration::from_millis(100));
        assert!(second.elapsed() > Duration::from_secs(9));
    }
}
