//! Limits how many failed connects become spans.
//!
//! In: each failed connect. Out: whether it gets spans. A client that retries without pause makes
//! thousands a second; so that it does not displace the failed connects of others, one container
//! gets a tenth of the limit.

use std::collections::HashMap;

use crate::decode::FailedConnect;

use super::rate_limit::RateLimit;

/// One container gets the limit divided by this.
const CONTAINER_DIVISOR: u32 = 10;

/// The failed connects admitted in the current second.
#[derive(Clone, Debug, Default)]
pub struct FailedConnectLimit {
    limit: RateLimit,
    /// Admitted connects by cgroup; no more entries than the limit.
    taken_by: HashMap<u64, u32>,
    left_out: u64,
}

impl FailedConnectLimit {
    /// At most `per_second` a second, and a tenth of that from one container; none for 0.
    pub fn at_most(per_second: u32) -> Self {
        Self {
            limit: RateLimit::at_most(per_second),
            ..Self::default()
        }
    }

    /// The number of failed connects that were not admitted.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether this failed connect is admitted. Late reports are charged to the current second.
    pub fn take(&mut self, failed: &FailedConnect) -> bool {
        if self.limit.advance(failed.at_ns) {
            self.taken_by.clear();
        }
        let of_container = self.taken_by.get(&failed.cgroup).copied().unwrap_or(0);
        let has_share = of_container < self.limit.per_second().div_ceil(CONTAINER_DIVISOR);
        let is_admitted = has_share && self.limit.take();
        if is_admitted {
            self.taken_by.insert(failed.cgroup, of_container + 1);
        } else {
            self.left_out += 1;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// How many are admitted of one failed connect for each of these cgroups.
    fn taken(limit: &mut FailedConnectLimit, second: u64, cgroups: &[u64]) -> usize {
        let failed = |cgroup: &&u64| {
            limit.take(&FailedConnect {
                cookie: 1,
                began_ns: 0,
                at_ns: second * SECOND_NS,
                error: None,
                tgid: 1,
                cgroup: **cgroup,
                sent: crate::decode::Tuple {
                    source: ([10, 0, 0, 1], 1).into(),
                    destination: ([10, 0, 0, 2], 2).into(),
                },
            })
        };
        cgroups.iter().filter(failed).count()
    }

    #[test]
    fn one_container_does_not_displace_others() {
        let mut limit = FailedConnectLimit::at_most(20);
        assert_eq!(taken(&mut limit, 5, &[7; 9]), 2);
        assert_eq!(taken(&mut limit, 5, &[8]), 1);
        assert_eq!(taken(&mut limit, 4, &[7]), 0, "late report");
        assert_eq!(limit.left_out(), 8);
        assert_eq!(taken(&mut limit, 6, &[7; 9]), 2);
        let many: Vec<u64> = (0..90).collect();
        assert_eq!(taken(&mut limit, 7, &many), 20);
        assert_eq!(taken(&mut FailedConnectLimit::at_most(0), 8, &[7]), 0);
        assert_eq!(taken(&mut FailedConnectLimit::at_most(1), 8, &[7, 7]), 1);
    }
}
