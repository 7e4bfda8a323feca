//! Problems in a set of rules. In: problems as a reader finds them. Out: the first few, and their
//! number.

use std::fmt;

use thiserror::Error;

/// Bound on kept findings; the rest are only counted.
const MAX_KEPT: usize = 32;

/// Why a line or a rule was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The line ends within quotes.
    #[error("quoted text has no end")]
    UnendedQuote,
    /// The line ends where an option's value should be.
    #[error("last option has no value")]
    NoValue,
    /// Not an address, a network or a port.
    #[error("address, network or port cannot be read")]
    Address,
    /// Not the `KUBE-` name of a chain that the kernel could hold.
    #[error("chain name is not one the kernel allows")]
    ChainName,
    /// The jump's chain is not in the table.
    #[error("jump leads to a chain that is not in the table")]
    MissingChain,
    /// The jump's chain is the rule's own or one on the way to it.
    #[error("jump leads back to a chain on its own path")]
    Loop,
    /// More consecutive jumps than kube-proxy ever has.
    #[error("path has too many jumps")]
    TooDeep,
    /// A DNAT rule in kube-proxy's chains whose comments do not name a service, or whose path has
    /// no destination port.
    #[error("translation names no service and port")]
    NoService,
    /// A bound on tables, on rules, or on the work to follow them was reached; the rest is skipped.
    #[error("rules are too many, the rest is ignored")]
    TooLarge,
    /// Bytes that the kernel does not write: a length beyond the end, a name without an end.
    #[error("rule is not well formed")]
    Malformed,
    /// The text ends before the table's COMMIT; the complete lines are used.
    #[error("table has no end, the text may be cut")]
    Cut,
}

/// A position in a set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Line of the text, from 1.
    Line(usize),
    /// Number of the rule in its table, in the kernel's order, from 1.
    Rule(usize),
}

/// A problem and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the problem is.
    pub position: Position,
    /// What is wrong.
    pub problem: Problem,
}

impl Default for Position {
    fn default() -> Self {
        Self::Line(0)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::Line(number) => write!(f, "line {number}: {}", self.problem),
            Position::Rule(number) => write!(f, "rule {number}: {}", self.problem),
        }
    }
}

/// The problems of a set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    total: usize,
}

impl Findings {
    /// The first findings, at most 32.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// Number of findings, including those not kept.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// Adds the findings of another reader.
    pub fn extend(&mut self, other: &Self) {
        self.total += other.total;
        let room = MAX_KEPT - self.kept.len();
        self.kept.extend(other.kept.iter().take(room));
    }

    pub(super) fn add(&mut self, position: Position, problem: Problem) {
        self.total += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(Finding { position, problem });
        }
    }
}
