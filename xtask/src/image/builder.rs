//! docker, podman, buildah. In: a context and names. Out: the commands that build the image and
//! write the archive. buildah works without a daemon, and here with a store of its own, so that it
//! changes nothing else on the machine.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::progress;
use crate::workspace::{Workspace, has_program};

/// For one step: the image has two files.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A program that builds images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builder {
    /// Docker, with its daemon
    Docker,
    /// Podman
    Podman,
    /// Buildah, with a store below target/image
    Buildah,
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

impl Builder {
    const ALL: [Self; 3] = [Self::Docker, Self::Podman, Self::Buildah];

    fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
        }
    }

    /// Whether it is on PATH; for docker, whether its daemon answers.
    fn works(self) -> bool {
        if !has_program(self.program()) {
            return false;
        }
        let mut probe = Command::new(self.program());
        probe
            .arg(if self == Self::Docker {
                "info"
            } else {
                "--version"
            })
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}

/// The builder to use.
///
/// # Errors
/// When none works.
pub(super) fn first_that_works() -> Result<Builder> {
    let Some(builder) = Builder::ALL.into_iter().find(|builder| builder.works()) else {
        bail!(
            "there is no working builder of images\n  start docker's daemon, or install podman or buildah: apt-get install --no-install-recommends buildah"
        );
    };
    Ok(builder)
}

/// The inputs and outputs of a build.
pub(super) struct Steps<'a> {
    pub(super) builder: Builder,
    pub(super) containerfile: &'a Path,
    pub(super) context: &'a Path,
    /// Where buildah keeps its images.
    pub(super) store: &'a Path,
    pub(super) name: &'a str,
    pub(super) archive: &'a Path,
}

impl Steps<'_> {
    /// Builds the image and writes the archive, in place of an older one.
    ///
    /// # Errors
    /// When the builder fails; the message has the end of its output.
    pub(super) fn run(&self, workspace: &Workspace) -> Result<()> {
        if self.archive.exists() {
            fs::remove_file(self.archive)
                .with_context(|| format!("remove {}", self.archive.display()))?;
        }
        let builder = self.builder;
        for (what, log, mut command) in [
            ("building the image", "image-build", self.build()),
            ("writing the archive", "image-archive", self.save()),
        ] {
            let what = format!("{what} with {builder}");
            progress::run(&what, &workspace.log(log), LIMIT, &mut command)?;
        }
        Ok(())
    }

    fn build(&self) -> Command {
        let mut command = self.command();
        command
            .arg("build")
            .arg("--file")
            .arg(self.containerfile)
            .args(["--tag", self.name])
            .arg(self.context);
        command
    }

    /// Writes the format of `docker save`, which every runtime loads.
    fn save(&self) -> Command {
        let mut command = self.command();
        match self.builder {
            Builder::Docker => command.args(["save", "--output"]).arg(self.archive),
            Builder::Podman => command
                .args(["save", "--format", "docker-archive", "--output"])
                .arg(self.archive),
            Builder::Buildah => command.arg("push"),
        };
        command.arg(self.name);
        if self.builder == Builder::Buildah {
            let archive = self.archive.display();
            command.arg(format!("docker-archive:{archive}:{}", self.name));
        }
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.builder.program());
        if self.builder == Builder::Buildah {
            // The driver vfs copies files, and therefore works on every file system, also in
            // containers.
            command
                .args(["--storage-driver", "vfs", "--root"])
                .arg(self.store.join("root"))
                .arg("--runroot")
                .arg(self.store.join("run"));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let args = command.get_args().map(|arg| arg.to_string_lossy());
        let words = [command.get_program().to_string_lossy()].into_iter();
        words.chain(args).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn command_lines_of_each_builder() {
        let check = |builder, build: &str, save: &str| {
            let steps = Steps {
                builder,
                containerfile: Path::new("File"),
                context: Path::new("context"),
                store: Path::new("store"),
                name: "a/b:1",
                archive: Path::new("b.tar"),
            };
            assert_eq!(line(&steps.build()), build);
            assert_eq!(line(&steps.save()), save);
        };
        check(
            Builder::Docker,
            "docker build --file File --tag a/b:1 context",
            "docker save --output b.tar a/b:1",
        );
        check(
            Builder::Podman,
            "podman build --file File --tag a/b:1 context",
            "podman save --format docker-archive --output b.tar a/b:1",
        );
        let store = "buildah --storage-driver vfs --root store/root --runroot store/run";
        check(
            Builder::Buildah,
            &format!("{store} build --file File --tag a/b:1 context"),
            &format!("{store} push a/b:1 docker-archive:b.tar:a/b:1"),
        );
    }
}
