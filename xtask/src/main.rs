//! `cargo xtask`: what cargo cannot do. In: a subcommand. Out: its exit status, and on failure one
//! error with the remedy. Each subcommand is a module.

mod bench;
mod fuzz;
mod http;
mod image;
mod process;
mod progress;
mod run;
mod setup;
mod sudo;
mod table;
mod test;
mod value_enum;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bench::args::BenchArgs;
use fuzz::FuzzArgs;
use image::ImageArgs;
use run::args::RunArgs;
use test::TestArgs;
use test::soak::SoakArgs;
use vm::VmArgs;
use workspace::Workspace;

/// What cargo cannot do: set-up, the lab, running and testing everything
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing to build and run everything here
    ///
    /// Each installation is announced before it begins. The project's own tools go to target/tools;
    /// packages are installed by apt, as root.
    Setup,
    Run(RunArgs),
    Test(TestArgs),
    Soak(SoakArgs),
    Vm(VmArgs),
    Fuzz(FuzzArgs),
    Bench(BenchArgs),
    Image(ImageArgs),
    #[command(name = run::LAB_SUBCOMMAND, hide = true)]
    LabRun(RunArgs),
    #[command(name = bench::ROOT_SUBCOMMAND, hide = true)]
    BenchRun(BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let success = |()| ExitCode::SUCCESS;
    let result = Workspace::new().and_then(|workspace| match &cli.command {
        Command::Setup => setup::all(&workspace).map(success),
        Command::Run(args) => match run::run(&workspace, args)? {},
        Command::Test(args) => test::run(&workspace, args),
        Command::Soak(args) => test::soak::run(&workspace, args),
        Command::Vm(args) => vm::run(&workspace, args),
        Command::Fuzz(args) => fuzz::run(&workspace, args),
        Command::Bench(args) => bench::run(&workspace, args).map(success),
        Command::Image(args) => image::run(&workspace, args).map(success),
        Command::LabRun(args) => run::lab::run(&workspace, args).map(success),
        Command::BenchRun(args) => bench::root::run(&workspace, args).map(success),
    });
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
