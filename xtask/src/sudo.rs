//! How to act as root. In: our user id and `sudo`. Out: a command that runs as root, or the reason
//! why there is none. Asks for a password at most once, after the reason for it.

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::progress::note;
use crate::workspace::has_program;

/// What the viewer reads from the environment and sudo does not pass on.
const TERMINAL_ENV: [&str; 6] = ["NO_COLOR", "TERM", "COLUMNS", "LANG", "LC_ALL", "LC_CTYPE"];

/// How this process can act as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It is root.
    Root,
    /// Through `sudo`, which has just agreed.
    Sudo,
    /// Not at all.
    None { reason: String },
}

impl Privilege {
    /// No root where none is needed.
    pub(crate) fn none(reason: &str) -> Self {
        Self::None {
            reason: reason.to_owned(),
        }
    }

    /// Finds how to act as root. Where `sudo` needs a password and there is a terminal, the user is
    /// asked for it, with `purpose` (a phrase such as `to run the lab`) as the explanation.
    pub(crate) fn obtain(purpose: &str) -> Self {
        if geteuid().is_root() {
            return Self::Root;
        }
        if !has_program("sudo") {
            return Self::none("this user is not root and there is no sudo");
        }
        let mut without_password = Command::new("sudo");
        without_password.args(["--non-interactive", "true"]);
        if succeeds(without_password.stderr(Stdio::null())) {
            return Self::Sudo;
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Self::none("sudo needs a password and there is no terminal to ask at");
        }
        note(&format!(
            "root is needed {purpose}: sudo asks for your password"
        ));
        if succeeds(Command::new("sudo").arg("--validate")) {
            return Self::Sudo;
        }
        Self::none("sudo refused this user")
    }

    /// A command that runs `program` as root.
    ///
    /// # Errors
    /// When there is no way to act as root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        match self {
            Self::Root => Ok(Command::new(program)),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.arg("--").arg(program);
                Ok(sudo)
            }
            Self::None { reason } => {
                bail!("{reason}\n  run this as root, or as a user who may use sudo")
            }
        }
    }

    /// Replaces this process with the same program as root: with `subcommand`, and the arguments
    /// that followed the subcommand of this process. The lab alone configures OpenTelemetry, so
    /// variables of the user's shell for it are removed.
    ///
    /// # Errors
    /// When there is no way to act as root, or the program cannot be started.
    pub(crate) fn exec_root_half(&self, subcommand: &str) -> Result<Infallible> {
        let this = env::current_exe().context("find this program")?;
        let mut command = self.command("env")?;
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("OTEL_") {
                command.arg("-u").arg(name);
            }
        }
        for name in TERMINAL_ENV {
            if let Some(value) = env::var_os(name) {
                let mut assignment = OsString::from(name);
                assignment.push("=");
                assignment.push(value);
                command.arg(assignment);
            }
        }
        command
            .arg(this)
            .arg(subcommand)
            .args(env::args_os().skip(2));
        Err(command.exec()).context("start the root half of this command")
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_as_root() {
        let check = |privilege: Privilege, expected: &[&str]| {
            let command = privilege.command("apt-get").unwrap();
            let words = [command.get_program()].into_iter();
            assert_eq!(
                words.chain(command.get_args()).collect::<Vec<_>>(),
                expected
            );
        };
        check(Privilege::Root, &["apt-get"]);
        check(Privilege::Sudo, &["sudo", "--", "apt-get"]);
    }

    #[test]
    fn without_root_the_error_has_the_remedy() {
        let none = Privilege::none("sudo refused this user");
        let error = none.command("apt-get").unwrap_err().to_string();
        let expected = "sudo refused this user\n  run this as root, or as a user who may use sudo";
        assert_eq!(error, expected);
    }
}
