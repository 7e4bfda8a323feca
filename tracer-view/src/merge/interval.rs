//! How far two nodes' clocks are apart, as far as the packets between them show. In: when packets
//! left by the one clock and arrived by the other. Out: the offset to take out, so that no packet
//! arrives before it left.

use crate::span::Skew;

/// The offsets of the server's clock from the client's that are possible, in nanoseconds: positive
/// where the server's clock is ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Interval {
    least_ns: Option<i128>,
    most_ns: Option<i128>,
}

impl Interval {
    /// Adds a packet that left the client at `sent_ns` of its clock, and arrived at `arrived_ns` of
    /// the server's. A time of 0 is none.
    pub(super) fn client_sent(&mut self, sent_ns: u64, arrived_ns: u64) {
        if sent_ns == 0 || arrived_ns == 0 {
            return;
        }
        let most_ns = i128::from(arrived_ns) - i128::from(sent_ns);
        self.most_ns = Some(self.most_ns.map_or(most_ns, |known| known.min(most_ns)));
    }

    /// Adds a packet that left the server at `sent_ns` of its clock, and arrived at `arrived_ns` of
    /// the client's. A time of 0 is none.
    pub(super) fn server_sent(&mut self, sent_ns: u64, arrived_ns: u64) {
        if sent_ns == 0 || arrived_ns == 0 {
            return;
        }
        let least_ns = i128::from(sent_ns) - i128::from(arrived_ns);
        self.least_ns = Some(self.least_ns.map_or(least_ns, |known| known.max(least_ns)));
    }

    /// Whether packets of both directions were added.
    pub(super) fn is_bounded(self) -> bool {
        self.least_ns.is_some() && self.most_ns.is_some()
    }

    /// Takes out 0 where 0 is possible, else the middle of the possible offsets. `None` without
    /// packets, and where no offset explains them.
    pub(super) fn skew(self) -> Option<Skew> {
        let (taken_ns, bound_ns) = match (self.least_ns, self.most_ns) {
            (Some(least), Some(most)) if least > most => return None,
            (Some(least), Some(most)) => {
                let taken = match (least..=most).contains(&0) {
                    true => 0,
                    false => least + (most - least) / 2,
                };
                (taken, Some((most - taken).max(taken - least)))
            }
            (Some(least), None) => (least.max(0), None),
            (None, Some(most)) => (most.min(0), None),
            (None, None) => return None,
        };
        Some(Skew {
            taken_ns,
            bound_ns: bound_ns.map(|bound| u64::try_from(bound).unwrap_or(u64::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (sent, arrived) each way.
    fn check(
        to_server: &[(u64, u64)],
        to_client: &[(u64, u64)],
        expected: Option<(i128, Option<u64>)>,
    ) {
        let mut interval = Interval::default();
        for &(sent, arrived) in to_server {
            interval.client_sent(sent, arrived);
        }
        for &(sent, arrived) in to_client {
            interval.server_sent(sent, arrived);
        }
        let skew = interval.skew().map(|skew| (skew.taken_ns, skew.bound_ns));
        assert_eq!(skew, expected, "{to_server:?} {to_client:?}");
    }

    #[test]
    fn clocks_without_contradiction_are_left_alone() {
        check(&[(100, 130)], &[(500, 520)], Some((0, Some(30))));
        check(&[(100, 100)], &[(500, 500)], Some((0, Some(0))));
        check(&[(100, 130)], &[], Some((0, None)));
        check(&[], &[(500, 520)], Some((0, None)));
        check(&[], &[], None);
    }

    #[test]
    fn the_middle_of_the_possible_offsets_is_taken_out() {
        // The server's clock is 1,000 ahead, then 80 behind; each packet took 30.
        check(&[(100, 1_130)], &[(1_500, 530)], Some((1_000, Some(30))));
        check(&[(100, 50)], &[(420, 530)], Some((-80, Some(30))));
        // The handshake was quicker, so it narrows the interval.
        check(
            &[(100, 1_130), (10, 1_015)],
            &[(1_500, 530), (1_020, 25)],
            Some((1_000, Some(5))),
        );
        check(&[(100, 40)], &[], Some((-60, None)));
        check(&[], &[(500, 440)], Some((60, None)));
    }

    #[test]
    fn no_offset_explains_packets_that_take_negative_time() {
        check(&[(100, 90)], &[(500, 490)], None);
        check(
            &[(1, u64::MAX)],
            &[(u64::MAX, 1)],
            Some(((u64::MAX - 1).into(), Some(0))),
        );
        check(&[(0, 90)], &[(500, 0)], None);
    }
}
