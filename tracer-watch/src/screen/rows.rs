//! The exchanges of the screen.
//!
//! In: summaries, in the order in which they ended. Out: the visible ones, filtered and sorted.
//! Bounded: the oldest make room.

use std::{cmp::Reverse, collections::VecDeque};

use tracer_pipeline::span::Summary;

use crate::line;

/// Exchanges that are kept, a few kilobytes each.
pub(super) const MAX_ROWS: usize = 2_000;

/// An exchange, and what it is found by.
#[derive(Debug)]
pub(super) struct Row {
    /// Counts up.
    pub(super) id: u64,
    pub(super) summary: Box<Summary<'static>>,
    /// Its names in small letters.
    words: String,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The newest first.
    #[default]
    Time,
    /// The longest first.
    Total,
    /// The longest data plane first.
    Plane,
    /// The longest hop first.
    Hop,
    /// Errors first.
    Errors,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [
        Self::Time,
        Self::Total,
        Self::Plane,
        Self::Hop,
        Self::Errors,
    ];

    /// The one after it.
    pub(super) fn next(self) -> Self {
        let index = Self::ALL.iter().position(|sort| *sort == self);
        let next = index.map_or(0, |index| index + 1);
        Self::ALL[next % Self::ALL.len()]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Total => "total",
            Self::Plane => "data plane",
            Self::Hop => "worst hop",
            Self::Errors => "errors",
        }
    }

    /// The larger, the higher; the newer of equal ones.
    fn rank(self, row: &Row) -> (u64, u64) {
        let summary = &row.summary;
        let rank = match self {
            Self::Time => 0,
            Self::Total => summary.total_ns,
            Self::Plane => summary.data_plane_ns.unwrap_or(0),
            Self::Hop => summary.worst_hop().map_or(0, |(_, hop)| hop.duration_ns),
            Self::Errors => u64::from(summary.is_error()),
        };
        (rank, row.id)
    }
}

/// The exchanges that have come, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: VecDeque<Row>,
    next_id: u64,
    /// Since when the screen stands still.
    still_from: Option<u64>,
}

impl Rows {
    /// Adds an exchange. While the screen stands still, what it shows is kept and the newest one makes
    /// room.
    pub(super) fn push(&mut self, summary: Box<Summary<'static>>) {
        if self.rows.len() >= MAX_ROWS {
            match self.still_from {
                Some(from) => {
                    let first_new = self.rows.iter().position(|row| row.id >= from);
                    self.rows.remove(first_new.unwrap_or(0));
                }
                None => drop(self.rows.pop_front()),
            }
        }
        self.rows.push_back(Row {
            id: self.next_id,
            words: words(&summary),
            summary,
        });
        self.next_id += 1;
    }

    /// The visible rows: of what has `filter` in its names, the order by `sort`.
    pub(super) fn visible(&self, filter: &str, sort: Sort, is_reversed: bool) -> Vec<&Row> {
        let filter = filter.to_lowercase();
        let until = self.still_from.unwrap_or(u64::MAX);
        let rows = self.rows.iter().filter(|row| row.id < until);
        let mut rows: Vec<&Row> = rows.filter(|row| row.words.contains(&filter)).collect();
        rows.sort_by_key(|row| Reverse(sort.rank(row)));
        if is_reversed {
            rows.reverse();
        }
        rows
    }

    /// Lets the screen stand still, or go on.
    pub(super) fn pause(&mut self) {
        self.still_from = match self.still_from {
            None => Some(self.next_id),
            Some(_) => None,
        };
    }

    /// How many have come since the screen stands still; `None` if it does not.
    pub(super) fn since_pause(&self) -> Option<u64> {
        self.still_from.map(|from| self.next_id - from)
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.still_from = None;
    }

    /// How many have come in all.
    pub(super) fn seen(&self) -> u64 {
        self.next_id
    }
}

fn words(summary: &Summary<'_>) -> String {
    let names = [
        line::client_name(summary),
        summary.service.as_deref().unwrap_or_default().to_owned(),
        summary.client.pod.as_deref().unwrap_or_default().to_owned(),
        summary.server.pod.as_deref().unwrap_or_default().to_owned(),
        line::request(summary),
        line::result(summary),
        line::remark(summary),
        summary.trace_id.as_deref().unwrap_or_default().to_owned(),
    ];
    names.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::exchange;

    fn of_total(total_ns: u64) -> Box<Summary<'static>> {
        Box::new(Summary {
            total_ns,
            ..exchange()
        })
    }

    fn totals(rows: &Rows, sort: Sort, is_reversed: bool) -> Vec<u64> {
        let rows = rows.visible("", sort, is_reversed);
        rows.iter().map(|row| row.summary.total_ns).collect()
    }

    #[test]
    fn rows_are_sorted_either_way() {
        let mut rows = Rows::default();
        [5, 9, 7]
            .into_iter()
            .for_each(|total| rows.push(of_total(total)));
        assert_eq!(totals(&rows, Sort::Time, false), [7, 9, 5]);
        assert_eq!(totals(&rows, Sort::Total, false), [9, 7, 5]);
        assert_eq!(totals(&rows, Sort::Total, true), [5, 7, 9]);
        assert_eq!(
            totals(&rows, Sort::Plane, false),
            [7, 9, 5],
            "equal: the newest first"
        );
        let all = Sort::ALL.map(Sort::next);
        assert_eq!(all[..4], Sort::ALL[1..]);
        assert_eq!(all[4], Sort::Time);
    }

    #[test]
    fn a_filter_finds_names() {
        let mut rows = Rows::default();
        rows.push(Box::new(exchange()));
        for (filter, found) in [
            ("", 1),
            ("Frontend", 1),
            ("abcde", 1),
            ("get /cust", 1),
            ("hotrod/customer", 1),
            ("driver", 0),
        ] {
            assert_eq!(
                rows.visible(filter, Sort::Time, false).len(),
                found,
                "{filter}"
            );
        }
    }

    #[test]
    fn rows_are_bounded_and_a_still_screen_keeps_its_own() {
        let mut rows = Rows::default();
        (0..MAX_ROWS as u64 + 5).for_each(|total| rows.push(of_total(total)));
        assert_eq!(rows.rows.len(), MAX_ROWS);
        rows.pause();
        let before = totals(&rows, Sort::Time, false);
        (0..MAX_ROWS as u64).for_each(|total| rows.push(of_total(total)));
        let shown = totals(&rows, Sort::Time, false);
        assert_eq!(rows.rows.len(), MAX_ROWS);
        // The first new row took the place of the oldest.
        assert_eq!(shown, before[..MAX_ROWS - 1]);
        assert_eq!(rows.since_pause(), Some(MAX_ROWS as u64));
        rows.pause();
        assert_eq!(rows.since_pause(), None);
        assert_eq!(totals(&rows, Sort::Time, false)[0], MAX_ROWS as u64 - 1);
    }
}
