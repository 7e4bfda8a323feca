//! `cargo xtask image`: the agent as an OCI image from scratch. In: the workspace, and docker,
//! podman or buildah. Out: the image in the builder's store, and an archive of it that every
//! container runtime loads.

mod binary;
mod builder;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::progress::note;
use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use builder::Builder;

/// Build the OCI image of the agent, from scratch, with a static binary
///
/// Uses docker, podman or buildah, the first that works. Writes an archive to target/image, for
/// `kind load image-archive`, `ctr --namespace k8s.io images import`, `docker load` and others.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageArgs {
    /// Use this builder
    #[arg(long, value_enum)]
    builder: Option<Builder>,

    /// The image's full name; deploy/ uses the default
    #[arg(long, value_name = "NAME", default_value = concat!("docker.io/library/hopspan:", env!("CARGO_PKG_VERSION")))]
    name: String,
}

/// The files with the certificates that a distribution trusts.
const CERTIFICATES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Builds binary, image and archive.
///
/// # Errors
/// When there is no builder, or a step fails.
pub(crate) fn run(workspace: &Workspace, args: &ImageArgs) -> Result<()> {
    let builder = match args.builder {
        Some(builder) => builder,
        None => builder::first_that_works()?,
    };
    let privilege = Privilege::none("an image needs no root");
    Setup::new(workspace, &privilege).prepare_build()?;
    let binary = binary::build(workspace)?;
    let directory = workspace.target_dir()?.join("image");
    let context = context(&directory, &binary)?;
    let archive = directory.join(archive_name(&args.name));
    let steps = builder::Steps {
        builder,
        containerfile: &workspace.root().join("deploy/Containerfile"),
        context: &context,
        store: &directory.join("store"),
        name: &args.name,
        archive: &archive,
    };
    steps.run(workspace)?;
    let bytes = fs::metadata(&archive)
        .with_context(|| format!("stat {}", archive.display()))?
        .len();
    note(&format!(
        "image: {} by {builder}, {:.1} MiB: {}",
        args.name,
        bytes as f64 / f64::from(1 << 20),
        archive.display()
    ));
    Ok(())
}

/// The directory that the image is built from.
fn context(directory: &Path, binary: &Path) -> Result<PathBuf> {
    let context = directory.join("context");
    fs::create_dir_all(&context).with_context(|| format!("create {}", context.display()))?;
    let certificates = CERTIFICATES
        .iter()
        .map(Path::new)
        .find(|path| path.is_file())
        .context("no file of trusted certificates is on this machine: install ca-certificates")?;
    for (from, to) in [(binary, "hopspan"), (certificates, "ca-certificates.crt")] {
        fs::copy(from, context.join(to)).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(context)
}

/// `hopspan-0.1.0.tar` for `docker.io/library/hopspan:0.1.0`.
fn archive_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    format!("{}.tar", last.replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_named_after_images() {
        assert_eq!(
            archive_name("docker.io/library/hopspan:0.1.0"),
            "hopspan-0.1.0.tar"
        );
        assert_eq!(archive_name("registry:5000/hopspan"), "hopspan.tar");
    }

    #[test]
    fn the_context_has_what_the_containerfile_copies() {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("built");
        fs::write(&binary, "binary").unwrap();
        let Ok(context) = context(directory.path(), &binary) else {
            println!("SKIP the_context_has_what_the_containerfile_copies: no certificates here");
            return;
        };
        let containerfile = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/Containerfile"),
        )
        .unwrap();
        let copied: Vec<&str> = containerfile
            .lines()
            .filter_map(|line| line.strip_prefix("COPY ")?.split(' ').next())
            .collect();
        assert_eq!(copied.len(), 2);
        for name in copied {
            assert!(context.join(name).is_file(), "{name}");
        }
    }
}
