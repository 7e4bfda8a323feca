//! A lab on the command line: `hopspan-lab up` makes one until Ctrl-C, `hopspan-lab sweep` removes
//! those of dead owners.
//!
//! The tests use it as an owner that they can kill.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use hopspan_lab::{Lab, can_run, sweep, teardown_on_signal};

const USAGE: &str = "\
usage: hopspan-lab up       make a node with two pods, and remove it on SIGINT or SIGTERM
       hopspan-lab sweep    remove labs whose owner is gone";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up"] => up(),
        ["sweep"] => print_swept(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up() -> Result<()> {
    teardown_on_signal()?;
    let lab = Lab::new("hopspan-lab up")?;
    let node = lab.node("node")?;
    let mut lines = format!("lab {}\nlogs {}\n", lab.id(), lab.work_dir().display());
    let mut shells = Vec::new();
    for name in ["a", "b"] {
        let pod = node.pod("default", name)?;
        lines += &format!(
            "pod default/{name} {}: nsenter --net={}\n",
            pod.ip(),
            pod.netns_path().display()
        );
        // A process that stays in the pod, as a pause container does.
        shells.push(pod.command("sleep").arg("infinity").spawn()?);
    }
    lines += &format!(
        "node {}: nsenter --net={}\n",
        node.ip(),
        node.netns_path().display()
    );
    lines += "ready; press Ctrl-C to remove the lab\n";
    io::stdout()
        .write_all(lines.as_bytes())
        .context("write to standard output")?;
    loop {
        thread::park();
    }
}

fn print_swept() -> Result<()> {
    can_run()?;
    let swept = sweep()?;
    for lab in &swept {
        println!("{lab}");
    }
    if swept.is_empty() {
        println!("no lab was left behind");
    }
    Ok(())
}
