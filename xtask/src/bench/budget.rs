//! What hopspan may cost. In: outcomes. Out: for each budget whether it is reached. A budget is not
//! lowered when it is missed: the table shows what was reached, and budgets.json explains why.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::outcome::{Figure, Outcome, Unit};
use super::statistics::{FEWEST, Spread};
use crate::table::Table;

/// An array of [`Budget`]s.
const BUDGETS: &str = include_str!("budgets.json");
/// The same, for people.
const FILE: &str = "xtask/src/bench/budgets.json";

/// A promise about one figure.
#[derive(Debug, Clone, Deserialize)]
struct Budget {
    /// The key of the figure.
    figure: String,
    what: String,
    counts: Counts,
    #[serde(flatten)]
    bound: Bound,
    /// Where it is missed: the reason, a sentence without its full stop.
    missed_because: Option<String>,
}

/// Which number of a figure's spread counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Counts {
    Median,
    /// The least, where there is a lower bound, else the greatest.
    Worst,
}

/// The bound itself is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Whether a budget is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Reached,
    Missed,
    /// Measured in too few rounds for a verdict.
    TooFew,
    NotMeasured,
}

/// A budget and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    what: String,
    figure: String,
    /// In words: `at least 0.92`.
    budget: String,
    measured: Option<f64>,
    unit: Option<Unit>,
    standing: Standing,
    #[serde(skip)]
    missed_because: Option<String>,
}

/// The verdicts about all budgets.
///
/// # Errors
/// When budgets.json is not what it should be.
pub(super) fn judge(outcomes: &[Outcome]) -> Result<Vec<Verdict>> {
    let budgets = serde_json::from_str(BUDGETS);
    let budgets: Vec<Budget> = budgets.with_context(|| format!("parse {FILE}"))?;
    let judge = |budget: Budget| {
        let mut figures = outcomes.iter().flat_map(|outcome| &outcome.figures);
        let figure = figures.find(|figure| figure.key == budget.figure);
        budget.judge(figure)
    };
    Ok(budgets.into_iter().map(judge).collect())
}

impl Budget {
    fn judge(self, figure: Option<&Figure>) -> Verdict {
        let spread = figure.and_then(|figure| Spread::of(&figure.values));
        let measured = spread.map(|spread| match (self.counts, self.bound) {
            (Counts::Median, _) => spread.median,
            (Counts::Worst, Bound::AtLeast(_)) => spread.min,
            (Counts::Worst, Bound::AtMost(_)) => spread.max,
        });
        let is_within = |value: f64| match self.bound {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
        };
        let standing = match (spread, measured) {
            (Some(spread), _) if spread.count < FEWEST as usize => Standing::TooFew,
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
            missed_because: self.missed_because,
        }
    }
}

impl Standing {
    const fn text(self) -> &'static str {
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
    table_with(verdicts, |verdict| verdict.standing.text().to_owned())
}

/// The same for a document, with the reasons for missed budgets below it, numbered.
pub(super) fn markdown(verdicts: &[Verdict]) -> String {
    let mut reasons = String::new();
    let mut count = 0;
    let table = table_with(verdicts, |verdict| {
        let text = verdict.standing.text();
        let is_missed = verdict.standing == Standing::Missed;
        match verdict.missed_because.as_ref().filter(|_| is_missed) {
            Some(reason) => {
                count += 1;
                reasons += &format!("{count}. {reason}.\n");
                format!("{text} ({count})")
            }
            None => text.to_owned(),
        }
    });
    format!("{}\n{reasons}", table.markdown())
}

fn table_with(verdicts: &[Verdict], mut standing: impl FnMut(&Verdict) -> String) -> Table {
    let mut table = Table::new("budgets", &["", "budget", "measured", ""]);
    for verdict in verdicts {
        let measured = verdict.measured.zip(verdict.unit);
        table.row(vec![
            verdict.what.clone(),
            verdict.budget.clone(),
            measured.map_or("-".to_owned(), |(value, unit)| unit.write(value)),
            standing(verdict),
        ]);
    }
    table
}

/// A line for each budget that is missed without a reason.
pub(super) fn unexplained(verdicts: &[Verdict]) -> impl Iterator<Item = String> {
    let is_unexplained = |verdict: &&Verdict| {
        verdict.standing == Standing::Missed && verdict.missed_because.is_none()
    };
    let unexplained = verdicts.iter().filter(is_unexplained);
    unexplained.map(|verdict| format!("{} is missed: add the reason to {FILE}", verdict.figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of a benchmark with one figure.
    fn outcome(key: &str, values: &[f64]) -> Outcome {
        let (benchmark, key) = key.split_once('.').unwrap();
        let mut outcome = Outcome::new(benchmark);
        outcome.figure(key, "", Unit::Ratio, values.to_vec());
        outcome
    }

    fn check(key: &str, values: &[f64], expected: Standing) {
        let verdicts = judge(&[outcome(key, values)]).unwrap();
        let verdict = verdicts.iter().find(|verdict| verdict.figure == key);
        assert_eq!(verdict.unwrap().standing, expected, "{key} {values:?}");
    }

    #[test]
    fn the_median_counts_and_the_bound_is_allowed() {
        let one = "worst.sampled_1.ratio";
        check(one, &[0.92; 7], Standing::Reached);
        let mixed = [0.5, 0.5, 0.5, 0.93, 0.93, 0.93, 0.93];
        check(one, &mixed, Standing::Reached);
        check(one, &[0.919; 7], Standing::Missed);
        check("realistic.p50.ratio", &[1.0101; 8], Standing::Missed);
    }

    #[test]
    fn one_bad_round_is_enough_where_the_worst_counts() {
        let lost = "loss.exported.lost";
        check(lost, &[0.0; 7], Standing::Reached);
        check(lost, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], Standing::Missed);
        let ahead = [2.0, 2.0, 2.0, 0.99, 2.0, 2.0, 2.0];
        check("worst.ahead_of_tcpdump.ratio", &ahead, Standing::Missed);
    }

    #[test]
    fn few_rounds_have_no_verdict() {
        check("start.attached", &[1.0; 6], Standing::TooFew);
        check("start.attached", &[], Standing::NotMeasured);
        check("start.attached", &[f64::NAN; 7], Standing::NotMeasured);
    }

    #[test]
    fn the_reason_is_below_the_table_under_its_number() {
        let missed = outcome("worst.sampled_100.ratio", &[0.7; 7]);
        let reached = outcome("worst.sampled_1.ratio", &[0.93; 7]);
        let verdicts = judge(&[missed, reached]).unwrap();
        let text = markdown(&verdicts);
        assert!(text.contains("| 0.700 | NOT REACHED (1) |"), "{text}");
        let reason = verdicts[1].missed_because.as_ref().unwrap();
        assert!(text.ends_with(&format!("|\n\n1. {reason}.\n")), "{text}");
    }

    #[test]
    fn a_missed_budget_needs_a_reason() {
        let verdicts = judge(&[outcome("start.attached", &[501.0; 7])]).unwrap();
        let lines: Vec<String> = unexplained(&verdicts).collect();
        assert_eq!(
            lines,
            [format!(
                "start.attached is missed: add the reason to {FILE}"
            )]
        );
    }

    #[test]
    fn every_budget_has_a_row() {
        let verdicts = judge(&[]).unwrap();
        let text = table(&verdicts).text();
        assert_eq!(text.matches("not measured").count(), verdicts.len());
    }
}
