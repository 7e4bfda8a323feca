//! How many connects that failed become spans.
//!
//! In: each of them. Out: whether it does. A client in a loop without pause makes thousands a second; so
//! that it hides no other's, it gets a part only of what is allowed to all.

use std::collections::HashMap;

use crate::decode::FailedConnect;

const SECOND_NS: u64 = 1_000_000_000;
/// One container gets this part of the whole.
const PART: u32 = 10;

/// What is left of this second's.
#[derive(Clone, Debug, Default)]
pub struct FailedConnectLimit {
    per_second: u32,
    second: u64,
    taken: u32,
    /// By cgroup; no more than are allowed.
    taken_by: HashMap<u64, u32>,
    left_out: u64,
}

impl FailedConnectLimit {
    /// At most so many a second, and a tenth of that of one container; none with 0.
    pub fn at_most(per_second: u32) -> Self {
        Self {
            per_second,
            ..Self::default()
        }
    }

    /// Those that were not allowed.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether this one is allowed. One of an earlier second, told later, counts in this one.
    pub fn take(&mut self, failed: &FailedConnect) -> bool {
        let second = failed.at_ns / SECOND_NS;
        if second > self.second {
            self.second = second;
            self.taken = 0;
            self.taken_by.clear();
        }
        let of_one = self.taken_by.get(&failed.cgroup).copied().unwrap_or(0);
        let is_allowed = self.taken < self.per_second && of_one < self.per_second.div_ceil(PART);
        if is_allowed {
            self.taken += 1;
            self.taken_by.insert(failed.cgroup, of_one + 1);
        } else {
            self.left_out += 1;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these are allowed, one per cgroup named.
    fn taken(allowance: &mut FailedConnectLimit, second: u64, cgroups: &[u64]) -> usize {
        let failed = |cgroup: &&u64| {
            allowance.take(&FailedConnect {
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
    fn one_container_hides_no_other_s() {
        let mut allowance = FailedConnectLimit::at_most(20);
        assert_eq!(taken(&mut allowance, 5, &[7; 9]), 2);
        assert_eq!(taken(&mut allowance, 5, &[8]), 1);
        assert_eq!(taken(&mut allowance, 4, &[7]), 0, "told late");
        assert_eq!(allowance.left_out(), 8);
        assert_eq!(taken(&mut allowance, 6, &[7; 9]), 2);
        let many: Vec<u64> = (0..90).collect();
        assert_eq!(taken(&mut allowance, 7, &many), 20);
        assert_eq!(taken(&mut FailedConnectLimit::at_most(0), 8, &[7]), 0);
        assert_eq!(taken(&mut FailedConnectLimit::at_most(1), 8, &[7, 7]), 1);
    }
}
