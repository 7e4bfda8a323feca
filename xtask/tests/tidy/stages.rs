//! Who may import whom, inside a crate and across crates.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::{
    modules::Modules,
    source::{root, sources},
};

/// The top-level modules of a crate, each with those that it may import.
type Table = &'static [(&'static str, &'static [&'static str])];

/// tracer-pipeline, in pipeline order: data flows down.
const PIPELINE: Table = &[
    ("decode", &[]),
    ("flow", &["decode"]),
    ("http", &["decode", "flow"]),
    ("http2", &["decode", "flow", "http"]),
    ("path", &["decode"]),
    ("kube_proxy", &[]),
    ("identity", &["decode", "http"]),
    (
        "span",
        &[
            "decode",
            "flow",
            "http",
            "http2",
            "path",
            "kube_proxy",
            "identity",
        ],
    ),
    (
        "pipeline",
        &[
            "decode",
            "flow",
            "http",
            "http2",
            "path",
            "kube_proxy",
            "identity",
            "span",
        ],
    ),
    ("recording", &[]),
    ("redaction", &["decode", "http", "http2"]),
];

/// tracer-user: each room does one kind of I/O; `run` and `doctor` put them together.
const AGENT: Table = &[
    ("error_chain", &[]),
    ("netlink", &[]),
    ("uplinks", &["error_chain", "netlink"]),
    ("attach", &["error_chain", "uplinks"]),
    ("capture", &["uplinks"]),
    ("rules", &["error_chain", "netlink"]),
    ("cluster", &["capture", "error_chain"]),
    ("export", &["error_chain"]),
    (
        "run",
        &[
            "attach",
            "capture",
            "cluster",
            "error_chain",
            "export",
            "rules",
            "uplinks",
        ],
    ),
    (
        "doctor",
        &[
            "attach",
            "capture",
            "error_chain",
            "export",
            "netlink",
            "rules",
            "uplinks",
        ],
    ),
];

/// The crates of this workspace, each with those that its products (not its tests) depend on.
const CRATES: Table = &[
    ("tracer-common", &[]),
    ("tracer-semconv", &[]),
    ("tracer-pipeline", &["tracer-common", "tracer-semconv"]),
    ("tracer-view", &["tracer-semconv"]),
    ("tracer-watch", &["tracer-pipeline", "tracer-view"]),
    ("ebpf-toolchain", &[]),
    (
        "tracer-user",
        &[
            "ebpf-toolchain",
            "tracer-common",
            "tracer-pipeline",
            "tracer-semconv",
            "tracer-view",
            "tracer-watch",
        ],
    ),
    ("hopspan-lab", &[]),
    (
        "xtask",
        &["ebpf-toolchain", "hopspan-lab", "tracer-semconv"],
    ),
];

/// What tracer-pipeline may depend on beside this workspace: libraries that compute and do nothing else.
const PURE_LIBRARIES: [&str; 10] = [
    "bytes",
    "httparse",
    "nix",
    "opentelemetry-semantic-conventions",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tracing",
    "zerocopy",
];

/// The source folders in which no modules import each other in a circle.
const ROOTS: [&str; 15] = [
    "ebpf-toolchain/src/",
    "tests/apiserver/src/",
    "tests/bench/src/",
    "tests/e2e/src/",
    "tests/echo/src/",
    "tests/hotrod/src/",
    "tests/lab/src/",
    "tracer-common/src/",
    "tracer-ebpf/src/",
    "tracer-pipeline/src/",
    "tracer-semconv/src/",
    "tracer-user/src/",
    "tracer-view/src/",
    "tracer-watch/src/",
    "xtask/src/",
];

#[test]
fn stages_import_earlier_stages_only() {
    let mut findings = wrong_imports("tracer-pipeline/src/", PIPELINE);
    findings.extend(wrong_imports("tracer-user/src/", AGENT));
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Imports between top-level modules that the table does not allow, and modules it does not know.
fn wrong_imports(crate_root: &str, table: Table) -> Vec<String> {
    let modules = Modules::of(&sources(), crate_root);
    let allowed: BTreeMap<_, _> = table.iter().copied().collect();
    let mut findings = BTreeSet::new();
    for (from, to) in modules.edges() {
        let (Some(from_stage), Some(to_stage)) = (from.first(), to.first()) else {
            continue;
        };
        if from_stage == to_stage {
            continue;
        }
        let may = allowed
            .get(from_stage.as_str())
            .copied()
            .unwrap_or_default();
        if !may.contains(&to_stage.as_str()) && from_stage != "main" {
            let (from, to) = (from.join("::"), to.join("::"));
            findings.insert(format!("{crate_root}: {from} imports {to}"));
        }
    }
    findings.into_iter().collect()
}

#[test]
fn a_stage_table_lists_earlier_stages_only() {
    for table in [PIPELINE, AGENT, CRATES] {
        for (index, (stage, may)) in table.iter().enumerate() {
            for earlier in *may {
                let known = table[..index].iter().any(|(stage, _)| stage == earlier);
                assert!(
                    known,
                    "{stage} may import {earlier}, which does not stand above it"
                );
            }
        }
    }
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let sources = sources();
    let mut findings = Vec::new();
    for root in ROOTS {
        for circle in Modules::of(&sources, root).circles() {
            findings.push(format!("{root}: {}", circle.join(", ")));
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn crates_depend_on_what_the_table_allows() {
    let dependencies = dependencies();
    let local: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let mut findings = Vec::new();
    for (name, may) in CRATES {
        for dependency in &dependencies[*name] {
            if local.contains(dependency.as_str()) && !may.contains(&dependency.as_str()) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    for dependency in &dependencies["tracer-pipeline"] {
        let is_pure = PURE_LIBRARIES.contains(&dependency.as_str());
        if !is_pure && !local.contains(dependency.as_str()) {
            findings.push(format!("tracer-pipeline depends on {dependency}"));
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// For each crate of the workspace what it and its build script depend on.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("run cargo metadata");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().into_iter().flatten();
            let of_product = all.filter(|dependency| dependency["kind"] != "dev");
            (name(package), of_product.map(name).collect())
        })
        .collect()
}

#[test]
fn the_pure_crate_has_no_build_script() {
    assert!(!root().join("tracer-pipeline/build.rs").exists());
}
