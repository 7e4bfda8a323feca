//! Whether root is to be had, and how. In: our user id and `sudo`. Out: a command that runs as
//! root, or the reason why there is none. Asks for a password at most once, and says what for
//! before it does.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::progress::note;
use crate::workspace::has_program;

/// How this process can act as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It is root.
    Root,
    /// Through `sudo`, which has just agreed.
    Sudo,
    /// Not at all.
    None {
        /// What was tried.
        reason: String,
    },
}

impl Privilege {
    /// Looks how root is to be had. Where `sudo` wants a password and somebody sits at the
    /// terminal, it is asked for, with `purpose` (a phrase such as `to run the lab`) as the
    /// explanation.
    pub(crate) fn obtain(purpose: &str) -> Self {
        if geteuid().is_root() {
            return Self::Root;
        }
        if !has_program("sudo") {
            return Self::None {
                reason: "this user is not root and there is no sudo".to_owned(),
            };
        }
        if agrees(
            Command::new("sudo")
                .args(["--non-interactive", "true"])
                .stderr(Stdio::null()),
        ) {
            return Self::Sudo;
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Self::None {
                reason: "sudo wants a password and there is no terminal to ask at".to_owned(),
            };
        }
        note(&format!(
            "root is needed {purpose}: sudo asks for your password"
        ));
        if agrees(Command::new("sudo").arg("--validate")) {
            return Self::Sudo;
        }
        Self::None {
            reason: "sudo refused this user".to_owned(),
        }
    }

    /// A command that runs `program` as root.
    ///
    /// # Errors
    /// When root is not to be had.
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
}

/// Whether the command succeeds.
fn agrees(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_as_root() {
        let line = |privilege: Privilege| {
            let command = privilege.command("apt-get").unwrap();
            let args = command
                .get_args()
                .map(|arg| arg.to_string_lossy().into_owned());
            [command.get_program().to_string_lossy().into_owned()]
                .into_iter()
                .chain(args)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line(Privilege::Root), "apt-get");
        assert_eq!(line(Privilege::Sudo), "sudo -- apt-get");
    }

    #[test]
    fn no_root_names_the_remedy() {
        let none = Privilege::None {
            reason: "sudo refused this user".to_owned(),
        };
        let error = none.command("apt-get").unwrap_err().to_string();
        assert_eq!(
            error,
            "sudo refused this user\n  run this as root, or as a user who may use sudo"
        );
    }
}
