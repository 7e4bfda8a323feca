//! What hopspan may cost. In: figures. Out: for each budget whether it is reached. A budget is not
//! lowered here when it is missed: the table says what was reached.

use serde::Serialize;

use super::outcome::{Figure, Unit};
use super::statistics::{FEWEST, Spread};
use super::why::Whys;
use crate::table::Table;

/// Which side of the number is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Which number of a figure's spread counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Median,
    /// The worst: the least where there is a least allowed, else the most.
    Worst,
}

/// A promise about one figure.
#[derive(Debug, Clone, Copy)]
struct Budget {
    what: &'static str,
    figure: &'static str,
    of: Of,
    bound: Bound,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Reached,
    Missed,
    /// Measured less often than a verdict takes.
    TooFew,
    NotMeasured,
}

/// A budget and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    what: &'static str,
    figure: &'static str,
    /// As people write it: `at least 0.92`.
    budget: String,
    measured: Option<f64>,
    unit: Option<Unit>,
    pub(super) standing: Standing,
}

const fn budget(what: &'static str, figure: &'static str, of: Of, bound: Bound) -> Budget {
    Budget {
        what,
        figure,
        of,
        bound,
    }
}

const BUDGETS: [Budget; 18] = [
    budget(
        "worst case, throughput with / without, 1 % sampled",
        "worst.sampled_1.ratio",
        Of::Median,
        Bound::AtLeast(0.92),
    ),
    budget(
        "worst case, throughput with / without, 100 % sampled",
        "worst.sampled_100.ratio",
        Of::Median,
        Bound::AtLeast(0.80),
    ),
    // "Clearly ahead": in every round.
    budget(
        "worst case, throughput beside hopspan (1 % sampled) / beside tcpdump, every round",
        "worst.ahead_of_tcpdump.ratio",
        Of::Worst,
        Bound::AtLeast(1.0),
    ),
    budget(
        "realistic, p50 latency with / without",
        "realistic.p50.ratio",
        Of::Median,
        Bound::AtMost(1.01),
    ),
    budget(
        "realistic, p99 latency with / without",
        "realistic.p99.ratio",
        Of::Median,
        Bound::AtMost(1.03),
    ),
    budget(
        "a hook on a packet with no journey, net, ns (the dearest hook)",
        "hooks.no_journey.worst",
        Of::Median,
        Bound::AtMost(40.0),
    ),
    budget(
        "a stamp, net, ns (the dearest hook)",
        "hooks.stamp.worst",
        Of::Median,
        Bound::AtMost(90.0),
    ),
    budget(
        "all hooks of one message on one node, net, ns",
        "hooks.message",
        Of::Median,
        Bound::AtMost(1200.0),
    ),
    budget(
        "agent's CPU per exchange that is not exported, µs",
        "userspace.unexported.cpu",
        Of::Median,
        Bound::AtMost(2.0),
    ),
    budget(
        "agent's CPU per exchange exported with all hops, µs",
        "userspace.exported.cpu",
        Of::Median,
        Bound::AtMost(40.0),
    ),
    budget(
        "exchanges and spans lost at 5,000 exported exchanges/s",
        "loss.exported.lost",
        Of::Worst,
        Bound::AtMost(0.0),
    ),
    budget(
        "rate at which that was measured, exchanges/s",
        "loss.exported.rate",
        Of::Worst,
        Bound::AtLeast(5000.0),
    ),
    budget(
        "exchanges lost at 30,000 unexported exchanges/s",
        "loss.unexported.lost",
        Of::Worst,
        Bound::AtMost(0.0),
    ),
    budget(
        "rate at which that was measured, exchanges/s",
        "loss.unexported.rate",
        Of::Worst,
        Bound::AtLeast(30_000.0),
    ),
    budget(
        "agent's RSS at that load (peak), MiB",
        "loss.peak_rss",
        Of::Worst,
        Bound::AtMost(80.0),
    ),
    budget(
        "agent's RSS when idle, MiB",
        "start.idle_rss",
        Of::Median,
        Bound::AtMost(30.0),
    ),
    budget(
        "kernel maps, MiB",
        "start.maps",
        Of::Worst,
        Bound::AtMost(32.0),
    ),
    budget(
        "start to all hooks attached, ms",
        "start.attached",
        Of::Median,
        Bound::AtMost(500.0),
    ),
];

/// How all budgets stand.
pub(super) fn judge(figures: &[&Figure]) -> Vec<Verdict> {
    let find = |key: &str| figures.iter().find(|figure| figure.key == key);
    BUDGETS
        .iter()
        .map(|budget| budget.judge(find(budget.figure).copied()))
        .collect()
}

impl Budget {
    fn judge(&self, figure: Option<&Figure>) -> Verdict {
        let spread = figure.and_then(|figure| Spread::of(&figure.values));
        let measured = spread.map(|spread| match (self.of, self.bound) {
            (Of::Median, _) => spread.median,
            (Of::Worst, Bound::AtLeast(_)) => spread.min,
            (Of::Worst, Bound::AtMost(_)) => spread.max,
        });
        let is_within = |value: f64| match self.bound {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
        };
        let standing = match (spread, measured) {
            (Some(spread), Some(_)) if spread.count < FEWEST as usize => Standing::TooFew,
            (_, Some(value)) if is_within(value) => Standing::Reached,
            (_, Some(_)) => Standing::Missed,
            (_, None) => Standing::NotMeasured,
        };
        let budget = match self.bound {
            Bound::AtLeast(bound) => format!("at least {bound}"),
            Bound::AtMost(bound) => format!("at most {bound}"),
        };
        Verdict {
            what: self.what,
            figure: self.figure,
            budget,
            measured,
            unit: figure.map(|figure| figure.unit),
            standing,
        }
    }
}

impl Standing {
    const fn said(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "NOT REACHED",
            Self::TooFew => "too few rounds",
            Self::NotMeasured => "not measured",
        }
    }
}

/// All budgets in one table.
pub(super) fn table(verdicts: &[Verdict]) -> Table {
    table_with(verdicts, |verdict| verdict.standing.said().to_owned())
}

/// The same for a document, and below it, numbered, why what is missed is.
pub(super) fn markdown(verdicts: &[Verdict], whys: &Whys) -> String {
    let mut reasons = String::new();
    let mut count = 0;
    let table = table_with(verdicts, |verdict| {
        let said = verdict.standing.said();
        let is_missed = verdict.standing == Standing::Missed;
        match whys.of(verdict.figure).filter(|_| is_missed) {
            Some(why) => {
                count += 1;
                reasons += &format!("{count}. {why}.\n");
                format!("{said} ({count})")
            }
            None => said.to_owned(),
        }
    });
    format!("{}\n{reasons}", table.markdown())
}

fn table_with(verdicts: &[Verdict], mut standing: impl FnMut(&Verdict) -> String) -> Table {
    let mut table = Table::new("budgets", &["", "budget", "measured", ""]);
    for verdict in verdicts {
        let measured = verdict.measured.zip(verdict.unit);
        table.row(vec![
            verdict.what.to_owned(),
            verdict.budget.clone(),
            measured.map_or("-".to_owned(), |(value, unit)| unit.write(value)),
            standing(verdict),
        ]);
    }
    table
}

/// The figures of what is missed and nobody has said why.
pub(super) fn unexplained(verdicts: &[Verdict], whys: &Whys) -> Vec<&'static str> {
    let is_open = |verdict: &&Verdict| {
        verdict.standing == Standing::Missed && whys.of(verdict.figure).is_none()
    };
    let open = verdicts.iter().filter(is_open);
    open.map(|verdict| verdict.figure).collect()
}

/// Whether there is a budget for a figure with this key.
pub(super) fn is_figure(key: &str) -> bool {
    BUDGETS.iter().any(|budget| budget.figure == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(key: &str, values: &[f64]) -> Figure {
        Figure {
            key: key.to_owned(),
            what: String::new(),
            unit: Unit::Ratio,
            values: values.to_vec(),
        }
    }

    fn check(key: &str, values: &[f64], expected: Standing) {
        let verdicts = judge(&[&figure(key, values)]);
        let verdict = verdicts.iter().find(|verdict| verdict.figure == key);
        assert_eq!(verdict.unwrap().standing, expected, "{key} {values:?}");
    }

    #[test]
    fn the_median_counts_and_a_bound_is_within_itself() {
        let one = "worst.sampled_1.ratio";
        check(one, &[0.92; 7], Standing::Reached);
        check(
            one,
            &[0.5, 0.5, 0.5, 0.93, 0.93, 0.93, 0.93],
            Standing::Reached,
        );
        check(one, &[0.919; 7], Standing::Missed);
        check("realistic.p50.ratio", &[1.0101; 8], Standing::Missed);
    }

    #[test]
    fn what_must_never_happen_counts_once() {
        let lost = "loss.exported.lost";
        check(lost, &[0.0; 7], Standing::Reached);
        check(lost, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], Standing::Missed);
        let ahead = "worst.ahead_of_tcpdump.ratio";
        check(
            ahead,
            &[2.0, 2.0, 2.0, 0.99, 2.0, 2.0, 2.0],
            Standing::Missed,
        );
    }

    #[test]
    fn few_rounds_say_nothing() {
        check("start.attached", &[1.0; 6], Standing::TooFew);
        check("start.attached", &[], Standing::NotMeasured);
        check("start.attached", &[f64::NAN; 7], Standing::NotMeasured);
    }

    #[test]
    fn a_reason_stands_below_the_table_under_its_number() {
        let missed = figure("worst.sampled_100.ratio", &[0.7; 7]);
        let reached = figure("worst.sampled_1.ratio", &[0.93; 7]);
        let whys = "worst.sampled_100.ratio: a toll\nworst.sampled_1.ratio: nothing\n";
        let text = markdown(&judge(&[&missed, &reached]), &Whys::parse(whys).unwrap());
        assert!(text.contains("| 0.700 | NOT REACHED (1) |"), "{text}");
        assert!(text.ends_with("|\n\n1. a toll.\n"), "{text}");
    }

    #[test]
    fn every_budget_has_a_line() {
        let text = table(&judge(&[])).text();
        assert_eq!(text.lines().count(), 2 + BUDGETS.len());
        assert_eq!(text.matches("not measured").count(), BUDGETS.len());
    }
}
