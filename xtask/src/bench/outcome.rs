//! The result of a benchmark. In: measurements. Out: figures with their spread, tables and notes,
//! for people, documents and JSON. Knows no budget.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::statistics::Spread;
use crate::table::Table;

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// A measurement with hopspan, divided by one without.
    Ratio,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Mebibytes,
    Bytes,
    PerSecond,
    Count,
}

/// One quantity, measured several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// Its name in JSON and budgets: `worst.sampled_1.ratio`.
    pub(super) key: String,
    /// Its name for people.
    pub(super) what: String,
    pub(super) unit: Unit,
    /// In the order in which they were measured.
    pub(super) values: Vec<f64>,
}

/// The result of one benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The benchmark's name.
    pub(super) benchmark: String,
    pub(super) figures: Vec<Figure>,
    pub(super) tables: Vec<Table>,
    /// Whether the tables contain the figures, so that no other table has to.
    #[serde(default)]
    pub(super) tabulated: bool,
    /// What a reader has to know about the numbers.
    pub(super) notes: Vec<String>,
}

impl Unit {
    /// What follows a number; empty where it needs none.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Ratio | Self::Count => "",
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Bytes => "B",
            Self::PerSecond => "/s",
        }
    }

    /// A number of this unit, with as many digits as mean something.
    pub(super) fn write(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.3}"),
            Self::Count => format!("{value:.0}"),
            _ if value.abs() >= 1000.0 => format!("{value:.0}"),
            _ if value.abs() >= 100.0 => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    }
}

impl Outcome {
    /// A result without figures.
    pub(super) fn new(benchmark: &str) -> Self {
        Self {
            benchmark: benchmark.to_owned(),
            figures: Vec::new(),
            tables: Vec::new(),
            tabulated: false,
            notes: Vec::new(),
        }
    }

    /// Adds a figure; its key begins with the benchmark's name.
    pub(super) fn figure(&mut self, key: &str, what: &str, unit: Unit, values: Vec<f64>) {
        self.figures.push(Figure {
            key: format!("{}.{key}", self.benchmark),
            what: what.to_owned(),
            unit,
            values,
        });
    }

    /// Adds a note.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// All tables: one of the figures, unless another contains them, and the others.
    pub(super) fn all_tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        if !self.figures.is_empty() && !self.tabulated {
            tables.push(figures_table(&self.benchmark, &self.figures));
        }
        tables.extend(self.tables.iter().cloned());
        tables
    }
}

/// Bytes in mebibytes.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// A duration in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn figures_table(title: &str, figures: &[Figure]) -> Table {
    let columns = ["", "median", "min", "q1", "q3", "max", "unit", "n"];
    let mut table = Table::new(title, &columns);
    for figure in figures {
        let mut row = vec![figure.what.clone()];
        match Spread::of(&figure.values) {
            Some(spread) => {
                let numbers = [spread.median, spread.min, spread.q1, spread.q3, spread.max];
                row.extend(numbers.map(|number| figure.unit.write(number)));
            }
            None => row.extend(vec!["-".to_owned(); 5]),
        }
        row.push(figure.unit.symbol().to_owned());
        row.push(figure.values.len().to_string());
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_their_spread() {
        let mut outcome = Outcome::new("worst");
        outcome.figure("a", "with a", Unit::Ratio, vec![0.9, 0.8, 0.85]);
        outcome.figure("b", "never measured", Unit::Nanoseconds, vec![]);
        let [table] = &outcome.all_tables()[..] else {
            panic!("one table");
        };
        let text = table.text();
        assert!(text.contains("0.850") && text.contains("0.800"), "{text}");
        assert!(text.contains("never measured"), "{text}");
        assert_eq!(outcome.figures[0].key, "worst.a");
    }

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        assert_eq!(Unit::Ratio.write(0.9234), "0.923");
        assert_eq!(Unit::Nanoseconds.write(39.123), "39.12");
        assert_eq!(Unit::PerSecond.write(43_210.9), "43211");
        assert_eq!(Unit::Milliseconds.write(123.456), "123.5");
        assert_eq!(Unit::Count.write(0.0), "0");
    }

    #[test]
    fn an_outcome_comes_back_from_json() {
        let mut outcome = Outcome::new("rules");
        outcome.figure("a", "a", Unit::Microseconds, vec![1.5]);
        outcome.note("on a bridge");
        let json = serde_json::to_string(&outcome).unwrap();
        assert!(json.contains(r#""unit":"microseconds""#), "{json}");
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
    }
}
