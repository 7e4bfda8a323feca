//! The command line of `bench`. In: flags. Out: a struct.

use std::path::PathBuf;

use clap::Args;

use super::benchmark::Benchmark;
use super::statistics::FEWEST;

/// Measure what hopspan costs, and compare it with the budgets
///
/// Needs a machine that does nothing else: every number with and without hopspan is taken in pairs,
/// one after the other, and the spread of their ratios is shown. Results go to target/bench, as
/// JSON.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Run only these, separated by commas [default: all; --list shows them]
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    pub(super) only: Vec<Benchmark>,

    /// How often everything is measured; below 7 there are no verdicts
    #[arg(long, value_name = "N", default_value_t = FEWEST, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) pairs: u32,

    /// Measure each once, and too briefly for a result: shows that it works
    #[arg(long)]
    pub(super) quick: bool,

    /// List the benchmarks, and measure nothing
    #[arg(long)]
    pub(super) list: bool,

    /// Also write the tables and the plot into docs/ and README.md
    #[arg(long, conflicts_with = "quick")]
    pub(super) write_docs: bool,

    /// Measure nothing: write the documents from these files of earlier runs, separated by commas
    ///
    /// Of a benchmark that several files have, the last counts.
    #[arg(long, value_name = "FILE", value_delimiter = ',', conflicts_with_all = ["only", "quick", "write_docs"])]
    pub(super) docs_from: Vec<PathBuf>,
}

impl BenchArgs {
    /// The benchmarks to run, in the order in which they are listed, each once.
    pub(super) fn wanted(&self) -> Vec<Benchmark> {
        let is_wanted = |of: &Benchmark| self.only.is_empty() || self.only.contains(of);
        let all = Benchmark::all().iter().copied();
        all.filter(is_wanted).collect()
    }

    /// How often everything is measured.
    pub(super) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.pairs }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.args)
    }

    #[test]
    fn all_is_measured_seven_times_by_default() {
        let args = parse("").unwrap();
        assert_eq!(args.wanted(), Benchmark::all());
        assert_eq!(args.rounds(), 7);
        assert_eq!(parse("--quick").unwrap().rounds(), 1);
    }

    #[test]
    fn names_are_separated_by_commas_and_run_in_their_own_order() {
        let args = parse("--only rules,worst --only worst").unwrap();
        assert_eq!(args.wanted(), [Benchmark::Worst, Benchmark::Rules]);
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "--only nothing",
            "--pairs 0",
            "--quick --write-docs",
            "--docs-from a --quick",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
