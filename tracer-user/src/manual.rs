//! Shell completions and manual pages, generated from the command line's definition.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;

/// What every subcommand has for an exit status.
pub(crate) const EXIT_STATUS: &str = "\
Exit status:
  0  it is done; run, view and watch: they were ended by SIGTERM or SIGINT (or q, --count)
  1  an error, which is printed to standard error; doctor: something is missing
  2  the command line is wrong";

/// Print the completions for a shell
///
/// For bash: hopspan completions bash > /etc/bash_completion.d/hopspan
#[derive(clap::Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: clap_complete::Shell,
}

/// Write manual pages into a directory: hopspan.1, hopspan-run.1 and so on
#[derive(clap::Args, Debug)]
pub(crate) struct Man {
    /// The directory, which is made where it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Completions {
    /// Prints them.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub(crate) fn print(&self, mut command: clap::Command) -> io::Result<()> {
        // To memory first: the library panics where the reader goes away.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "hopspan", &mut script);
        io::stdout().write_all(&script)
    }
}

impl Man {
    /// Writes the pages.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub(crate) fn write(&self, command: clap::Command) -> anyhow::Result<()> {
        let name = self.directory.display();
        fs::create_dir_all(&self.directory).with_context(|| format!("make {name}"))?;
        clap_mangen::generate_to(command, &self.directory)
            .with_context(|| format!("write manual pages into {name}"))
    }
}
