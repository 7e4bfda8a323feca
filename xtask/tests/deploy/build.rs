//! Kustomizations to objects, by Python, and by kustomize where it is installed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::manifest::Manifests;

/// Python with the packages that the tests need, which set-up installs.
pub(crate) struct Python(PathBuf);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in a workspace")
}

/// A directory of deploy/.
pub(crate) fn deploy(overlay: &str) -> PathBuf {
    root().join("deploy").join(overlay)
}

/// Prints that a test did not run; the harness does not capture it.
pub(crate) fn skip(test: &str, reason: &str) {
    // A closed standard output is no reason to fail the test.
    let _ = writeln!(std::io::stdout(), "\nSKIP {test}: {reason}");
}

impl Python {
    /// The Python of the tests; `None` when it lacks packages, and `test` is then skipped.
    pub(crate) fn of_tests(test: &str) -> Option<Self> {
        let python = root().join("target/tools/venv/bin/python3");
        let mut probe = Command::new(&python);
        probe
            .args(["-c", "import yaml, kubernetes_validate"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if probe.status().is_ok_and(|status| status.success()) {
            return Some(Self(python));
        }
        let python = python.display();
        skip(
            test,
            &format!("{python} has no kubernetes-validate: `cargo xtask setup` installs it"),
        );
        None
    }

    /// The objects of an overlay.
    pub(crate) fn render(&self, overlay: &str) -> Manifests {
        let directory = deploy(overlay);
        Manifests::new(self.run("render.py", [directory.to_string_lossy().as_ref()], ""))
    }

    /// The objects of a YAML stream.
    pub(crate) fn parse(&self, yaml: &str) -> Manifests {
        Manifests::new(self.run("render.py", ["-"], yaml))
    }

    /// The objects that these versions of Kubernetes refuse, a line each.
    pub(crate) fn refusals(&self, manifests: &Manifests, versions: &[&str]) -> Vec<String> {
        let objects = manifests.to_json();
        let lines = self.run("validate.py", versions.iter().copied(), &objects);
        serde_json::from_value(lines).expect("validate.py prints a list of lines")
    }

    fn run<'a>(&self, script: &str, args: impl IntoIterator<Item = &'a str>, input: &str) -> Value {
        let mut child = Command::new(&self.0)
            .arg("-B")
            .arg(root().join("xtask/tests/deploy").join(script))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("run {script}: {error}"));
        // Both scripts read all of it before they write anything.
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin
            .write_all(input.as_bytes())
            .unwrap_or_else(|error| panic!("write to {script}: {error}"));
        drop(stdin);
        let output = child
            .wait_with_output()
            .unwrap_or_else(|error| panic!("wait for {script}: {error}"));
        assert!(output.status.success(), "{script}: {}", output.status);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{script} prints no JSON: {error}"))
    }
}

/// What `kubectl kustomize` or `kustomize build` makes of an overlay; nothing where neither is
/// there.
pub(crate) fn kustomize(overlay: &str) -> Option<String> {
    let mut tools = [("kustomize", "build"), ("kubectl", "kustomize")]
        .into_iter()
        .filter_map(|(program, subcommand)| {
            let mut command = Command::new(program);
            command.arg(subcommand).arg(deploy(overlay));
            command.output().ok()
        });
    let output = tools.next()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "deploy/{overlay}: {stderr}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
