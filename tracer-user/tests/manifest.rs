//! The arguments of the agent's DaemonSet are valid.
//!
//! In: deploy/base/daemon-set.yaml. The rest of the manifests is checked in xtask/tests/deploy.

use std::path::Path;

use clap::Parser;
use tracer_user::run::{Args, Listen};

#[derive(Debug, Parser)]
enum Command {
    Run(Args),
}

/// The entries of the list `args`, each on a line of its own, without comments.
fn arguments(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "args:")
        .skip(1)
        .filter(|line| !line.starts_with('#'))
        .map_while(|line| line.strip_prefix("- "))
        .collect()
}

#[test]
fn the_arguments_of_the_daemon_set_are_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/base/daemon-set.yaml");
    let manifest = std::fs::read_to_string(path).unwrap();
    let arguments = arguments(&manifest);
    assert_eq!(arguments.first(), Some(&"run"), "{arguments:?}");
    let command = ["hopspan"].into_iter().chain(arguments);
    let Command::Run(args) = Command::try_parse_from(command).unwrap();
    let probes = "127.0.0.1:9465".parse().map(Listen::At);
    assert_eq!(
        args.listen,
        [Listen::Everywhere(9464), probes.expect("an address")]
    );
    let cgroup = args.cgroup.unwrap();
    let mount = format!("mountPath: {}", cgroup.display());
    assert!(
        manifest.contains(&mount),
        "no volume is mounted at {}",
        cgroup.display()
    );
    assert!(args.record.is_none(), "a recording contains headers");
}
