//! The languages of the scripts beside this file. In: the name of a library. Out: the command that
//! runs its client or its server, and why this machine cannot run it.

use std::process::{Command, Stdio};

use hopspan_lab::find_program;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/matrix");
/// Where `cargo xtask test programs --all` makes it.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/tools/venv-programs/bin/python3"
);

/// The interpreter of a script.
#[derive(Clone, Copy)]
pub(super) enum Language {
    Java,
    Node,
    Perl,
    Python,
    Shell,
}

impl Language {
    fn interpreter(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Node => "node",
            Self::Perl => "perl",
            Self::Python => PYTHON,
            Self::Shell => "sh",
        }
    }

    /// The command of a client, without the address of the server.
    pub(super) fn client(self, library: &str) -> Vec<String> {
        let script = match self {
            Self::Java => "Client.java",
            Self::Node => "client.js",
            Self::Perl => "client.pl",
            Self::Python => "client.py",
            Self::Shell => "client.sh",
        };
        self.command(script, library)
    }

    /// The command of a server, without its port. Only Python and Node have servers.
    pub(super) fn server(self, library: &str) -> Vec<String> {
        let script = match self {
            Self::Node => "server.js",
            _ => "server.py",
        };
        self.command(script, library)
    }

    fn command(self, script: &str, library: &str) -> Vec<String> {
        let script = format!("{SCRIPTS}/{script}");
        vec![self.interpreter().to_owned(), script, library.to_owned()]
    }

    /// Runs a client without a request.
    ///
    /// # Errors
    /// Why this machine cannot run it.
    pub(super) fn check_client(self, library: &str) -> Result<(), String> {
        check(&self.client(library), "http://127.0.0.1")
    }

    /// Loads the library of a server.
    ///
    /// # Errors
    /// Why this machine cannot run it.
    pub(super) fn check_server(self, library: &str) -> Result<(), String> {
        check(&self.server(library), "check")
    }
}

fn check(command: &[String], last: &str) -> Result<(), String> {
    let program = &command[0];
    let path = find_program(program).ok_or_else(|| format!("{program} is not there"))?;
    let output = Command::new(path)
        .args(&command[1..])
        .arg(last)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr.trim().lines().last().unwrap_or_default();
    Err(format!("{program}: {}: {reason}", output.status))
}
