//! `cargo xtask vm`: the end-to-end tests on stock kernels other than this machine's. In: kernel
//! series. Out: a table of what the agent attaches and sees on each, and a failure when a test
//! failed.
//!
//! Each kernel boots in QEMU with this machine's own file system, read only: nothing is installed
//! for it, and the programs under test are those that cargo built here.

mod accel;
mod accel_choice;
mod guest;
mod image;
mod package;
mod qemu;
mod series;
mod suite;
mod table;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use accel_choice::AccelChoice;
use image::Image;
use series::Series;
use suite::Suite;

/// Run the end-to-end tests on Debian's stock kernels, each in a virtual machine
///
/// Fetches the kernels' packages with apt into target/vm and boots them in QEMU; nothing but QEMU
/// itself is installed on this machine. Prints which hooks attach on each kernel and what a request
/// shows; the exit status is a failure when a test failed on any of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct VmArgs {
    /// Boot the newest stock kernel of this series; can be given several times
    #[arg(long = "kernel", value_name = "SERIES", default_values = ["6.1", "6.12"])]
    kernels: Vec<Series>,

    /// What executes the guests; emulation is slow, but works everywhere
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
}

/// Runs the tests on every kernel.
///
/// # Errors
/// When a kernel cannot be fetched or booted. The table contains what fails in a guest.
pub(crate) fn run(workspace: &Workspace, args: &VmArgs) -> Result<ExitCode> {
    if env::consts::ARCH != "x86_64" {
        bail!(
            "this machine is {}, and the stock kernels here are for x86_64\n  \
             run this on an x86_64 machine",
            env::consts::ARCH
        );
    }
    let privilege = Privilege::none("virtual machines run as the user who starts them");
    Setup::new(workspace, &privilege).prepare_build()?;
    qemu::install(workspace)?;
    let target_dir = workspace.target_dir()?;
    let images = args
        .kernels
        .iter()
        .map(|series| Image::of(*series, &target_dir))
        .collect::<Result<Vec<_>>>()?;
    let suite = Suite::build(workspace)?;
    let Some(first) = images.first() else {
        bail!("no kernel was named");
    };
    let accel = args.accel.resolve(first)?;
    let mut rows = Vec::new();
    for image in &images {
        rows.push(suite.run(image, accel)?);
    }
    println!("{}", table::text(&rows));
    Ok(if rows.iter().all(suite::Row::is_success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
