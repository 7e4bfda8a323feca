//! Chooses the traces to print when there are too many. In: the duration of each trace. Out: a few
//! traces, each with a reason. Pure; knows no spans.

use std::fmt;

use crate::id::TraceId;

/// A trace to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its id.
    pub trace: TraceId,
    /// Why it was chosen.
    pub reason: Reason,
}

/// Why a trace was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All traces are printed.
    Every {
        /// Its number in order of arrival, from 1.
        n: usize,
        /// The number of traces.
        of: usize,
    },
    /// It is one of the slowest.
    Slowest {
        /// Its rank, from 1 for the slowest.
        rank: usize,
        /// The number of traces.
        of: usize,
    },
    /// It has the median duration.
    Median {
        /// The number of traces.
        of: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { n, of } => write!(f, "{n} of {of}"),
            Self::Slowest { rank: 1, of } => write!(f, "slowest of {of}"),
            Self::Slowest { rank, of } => {
                write!(f, "{rank}{} slowest of {of}", ordinal_suffix(*rank))
            }
            Self::Median { of } => write!(f, "median of {of}"),
        }
    }
}

fn ordinal_suffix(n: usize) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

/// Chooses at most `most` of `traces` (id and duration in nanoseconds, in order of arrival): all of
/// them, or of more the slowest, the median, then the next slowest. Of two traces that are equally
/// slow the earlier counts as slower.
pub fn choose(traces: &[(TraceId, u64)], most: usize) -> Vec<Choice> {
    let of = traces.len();
    if of <= most {
        let every = |(i, &(trace, _)): (usize, &(TraceId, u64))| Choice {
            trace,
            reason: Reason::Every { n: i + 1, of },
        };
        return traces.iter().enumerate().map(every).collect();
    }
    let mut slowest_first: Vec<&(TraceId, u64)> = traces.iter().collect();
    slowest_first.sort_by_key(|(_, duration_ns)| std::cmp::Reverse(*duration_ns));
    // Of 2 or 3 traces the median is among the slowest, too: it is named median, and the next
    // slowest is chosen as well.
    let median = of / 2;
    let slowest = (0..of)
        .filter(|&index| index != median)
        .map(|index| Choice {
            trace: slowest_first[index].0,
            reason: Reason::Slowest {
                rank: index + 1,
                of,
            },
        });
    let mut chosen: Vec<Choice> = slowest.take(most).collect();
    if most > 1 {
        chosen.pop();
        chosen.insert(
            1,
            Choice {
                trace: slowest_first[median].0,
                reason: Reason::Median { of },
            },
        );
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(durations: &[u64], most: usize, expected: &[(u128, &str)]) {
        let id = |n: u128| TraceId::from_bytes(&n.to_be_bytes()).unwrap();
        let traces: Vec<_> = durations
            .iter()
            .zip(1..)
            .map(|(&ns, n)| (id(n), ns))
            .collect();
        let chosen: Vec<_> = choose(&traces, most)
            .iter()
            .map(|c| (c.trace, c.reason.to_string()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(n, why)| (id(n), why.to_owned()))
            .collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn few_traces_are_all_chosen_in_order() {
        check(&[], 3, &[]);
        check(&[5, 9], 3, &[(1, "1 of 2"), (2, "2 of 2")]);
        check(&[5, 9], 2, &[(1, "1 of 2"), (2, "2 of 2")]);
    }

    #[test]
    fn of_many_traces_the_slowest_and_the_median_are_chosen() {
        check(&[5, 9, 1, 7, 3], 0, &[]);
        check(&[5, 9, 1, 7, 3], 1, &[(2, "slowest of 5")]);
        check(
            &[5, 9, 1, 7, 3],
            2,
            &[(2, "slowest of 5"), (1, "median of 5")],
        );
        check(
            &[5, 9, 1, 7, 3],
            3,
            &[
                (2, "slowest of 5"),
                (1, "median of 5"),
                (4, "2nd slowest of 5"),
            ],
        );
        check(&[4, 8], 1, &[(2, "slowest of 2")]);
        check(&[7, 7, 7], 2, &[(1, "slowest of 3"), (2, "median of 3")]);
    }
}
