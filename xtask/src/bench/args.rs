//! The command line of `bench`, and the same once more for its root half. In: flags. Out: structs,
//! and flags again.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::benchmark::Benchmark;
use super::statistics::FEWEST;
use crate::command_line::CommandLine;

/// Measure what hopspan costs, and hold it against the budgets
///
/// On a machine that does nothing else: every number with and without is taken in pairs, one after
/// the other, and the spread of their ratios is shown. Results go to target/bench, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct BenchArgs {
    /// Run these only, separated by commas [default: all; --list shows them]
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Benchmark>,

    /// How often everything is measured; below 7 there are no verdicts
    #[arg(long, value_name = "N", default_value_t = FEWEST, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: u32,

    /// Measure each once, and too short to mean anything: shows that it works
    #[arg(long)]
    pub(crate) quick: bool,

    /// Say what there is to measure, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Write the tables and the plot into docs/ and README.md too
    #[arg(long, conflicts_with = "quick")]
    pub(crate) write_docs: bool,

    /// Measure nothing: write them from these files of earlier runs, separated by commas
    ///
    /// Of a benchmark that several files have, the last counts.
    #[arg(long, value_name = "FILE", value_delimiter = ',', conflicts_with_all = ["only", "quick", "write_docs"])]
    pub(crate) docs_from: Vec<PathBuf>,
}

impl BenchArgs {
    /// Those to run, in the order in which they are listed, each once.
    pub(super) fn wanted(&self) -> Vec<Benchmark> {
        let is_wanted = |of: &Benchmark| self.only.is_empty() || self.only.contains(of);
        Benchmark::ALL.into_iter().filter(is_wanted).collect()
    }

    /// How often everything is measured.
    pub(super) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.pairs }
    }
}

/// The root half: what to run, and what is known already.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct BenchLabArgs {
    /// The workspace
    #[arg(long, value_name = "PATH")]
    pub(crate) workspace: PathBuf,

    /// Where the programs are that were built
    #[arg(long, value_name = "PATH")]
    pub(crate) binaries: PathBuf,

    /// Where results go
    #[arg(long, value_name = "PATH")]
    pub(crate) results: PathBuf,

    /// The revision they were built from
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: String,

    /// What was measured as the user, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) stages: Option<PathBuf>,

    /// As for `bench`
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
}

impl BenchLabArgs {
    /// The command line that parses to this.
    pub(super) fn to_args(&self) -> Vec<OsString> {
        let Self {
            workspace,
            binaries,
            results,
            revision,
            stages,
            bench,
        } = self;
        let mut line = CommandLine::default();
        line.option("--workspace", workspace);
        line.option("--binaries", binaries);
        line.option("--results", results);
        line.option("--revision", revision);
        line.option_if("--stages", stages.as_ref());
        let BenchArgs {
            only,
            pairs,
            quick,
            list,
            write_docs,
            docs_from,
        } = bench;
        line.option("--pairs", pairs.to_string());
        for benchmark in only {
            line.option("--only", benchmark.name());
        }
        for file in docs_from {
            line.option("--docs-from", file);
        }
        line.flag("--quick", *quick);
        line.flag("--list", *list);
        line.flag("--write-docs", *write_docs);
        line.into_args()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct User {
        #[command(flatten)]
        args: BenchArgs,
    }

    #[derive(Debug, Parser)]
    struct Root {
        #[command(flatten)]
        args: BenchLabArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        User::try_parse_from(words).map(|user| user.args)
    }

    #[test]
    fn all_is_measured_seven_times_unless_told_otherwise() {
        let args = parse("").unwrap();
        assert_eq!(args.wanted(), Benchmark::ALL);
        assert_eq!(args.rounds(), 7);
        assert_eq!(parse("--quick").unwrap().rounds(), 1);
    }

    #[test]
    fn names_are_separated_by_commas_and_run_in_their_own_order() {
        let args = parse("--only rules,worst --only worst").unwrap();
        assert_eq!(args.wanted(), [Benchmark::Worst, Benchmark::Rules]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--only nothing",
            "--pairs 0",
            "--quick --write-docs",
            "--docs-from a --quick",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_root_half_gets_what_the_user_said() {
        let lab = BenchLabArgs {
            workspace: "/work space".into(),
            binaries: "/b".into(),
            results: "/r".into(),
            revision: "0123abc, changed".into(),
            stages: Some("/r/stages.json".into()),
            bench: parse("--only worst,hooks --pairs 9 --write-docs").unwrap(),
        };
        let words = std::iter::once("bench".into()).chain(lab.to_args());
        assert_eq!(Root::try_parse_from(words).unwrap().args, lab);
    }
}
