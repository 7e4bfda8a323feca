//! The manifests in deploy/: built, held against Kubernetes' own schemas, and against each other.
//!
//! In: the kustomizations, the Python of the tests with PyYAML and kubernetes-validate, and
//! kustomize where it is installed. Out: what an API server would refuse, and mistakes that it
//! would accept: references to nothing, probes of another port, rights beyond reading. In: the
//! alert rules, and promtool where it is installed. Out: what it refuses, and alerts that do not
//! fire.

mod build;
mod manifest;
mod prometheus;
mod references;
mod rights;
mod wiring;

use serde_json::{Value, json};

use build::{Python, kustomize, skip};
use manifest::Manifests;

/// Every kustomization that is applied; components are parts of them.
const OVERLAYS: [&str; 5] = [".", "privileged", "jaeger", "hotrod", "all"];
/// From the oldest version with a schema to the newest, with gaps: fields change slowly.
const VERSIONS: [&str; 6] = ["1.25", "1.27", "1.29", "1.31", "1.34", "1.37"];

/// Applies a check to each overlay, and fails with all problems.
fn check(test: &str, problems: impl Fn(&Python, &str, &Manifests) -> Vec<String>) {
    let Some(python) = Python::of_tests(test) else {
        return;
    };
    let mut all = Vec::new();
    for overlay in OVERLAYS {
        let manifests = python.render(overlay);
        let found = problems(&python, overlay, &manifests).into_iter();
        all.extend(found.map(|problem| format!("deploy/{overlay}: {problem}")));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn kubernetes_accepts_them() {
    check("kubernetes_accepts_them", |python, _, manifests| {
        python.refusals(manifests, &VERSIONS)
    });
}

#[test]
fn the_renderer_builds_what_kustomize_builds() {
    const TEST: &str = "the_renderer_builds_what_kustomize_builds";
    let Some(python) = Python::of_tests(TEST) else {
        return;
    };
    for overlay in OVERLAYS {
        let Some(yaml) = kustomize(overlay) else {
            return skip(TEST, "neither kubectl nor kustomize is on PATH");
        };
        let (mut theirs, mut ours) = (python.parse(&yaml), python.render(overlay));
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "deploy/{overlay}");
    }
}

#[test]
fn references_are_to_objects_of_the_overlay() {
    check(
        "references_are_to_objects_of_the_overlay",
        |_, _, manifests| references::problems(manifests),
    );
}

#[test]
fn ports_selectors_and_names_fit() {
    check("ports_selectors_and_names_fit", |_, _, manifests| {
        wiring::problems(manifests)
    });
}

#[test]
fn the_agent_has_the_rights_it_needs_and_no_others() {
    check(
        "the_agent_has_the_rights_it_needs_and_no_others",
        |_, overlay, manifests| rights::problems(manifests, overlay == "privileged"),
    );
}

/// The policy for the namespaces of clients, which belongs to no overlay.
#[test]
fn the_policy_of_clients_leaves_out_the_agents_port_alone() {
    const TEST: &str = "the_policy_of_clients_leaves_out_the_agents_port_alone";
    let Some(python) = Python::of_tests(TEST) else {
        return;
    };
    let path = build::deploy("network-policy").join("agent-port.yaml");
    let yaml = std::fs::read_to_string(path).expect("deploy/network-policy has its file");
    let manifests = python.parse(&yaml);
    assert_eq!(python.refusals(&manifests, &VERSIONS), Vec::<String>::new());
    let policy = manifests.of_kind("NetworkPolicy").next();
    let ranges = policy.expect("it is a NetworkPolicy")["spec"]["egress"][0]["ports"].clone();
    let allows = |protocol: &str, port: u64| {
        manifest::list(&ranges).any(|range| {
            let [first, last] = ["port", "endPort"].map(|end| range[end].as_u64().unwrap_or(0));
            range["protocol"] == protocol && (first..=last).contains(&port)
        })
    };
    for protocol in ["TCP", "UDP", "SCTP"] {
        let refused: Vec<u64> = (1..=65_535)
            .filter(|port| !allows(protocol, *port))
            .collect();
        let expected = if protocol == "TCP" {
            vec![9464]
        } else {
            vec![]
        };
        assert_eq!(refused, expected, "{protocol}");
    }
}

/// Whether one of the problems contains `what`.
fn contain(problems: &[String], what: &str) -> bool {
    problems.iter().any(|problem| problem.contains(what))
}

/// Common mistakes in manifests: the checks must find them in ours.
#[test]
fn the_checks_find_mistakes() {
    const TEST: &str = "the_checks_find_mistakes";
    let Some(python) = Python::of_tests(TEST) else {
        return;
    };
    let base = python.render("all");
    let mutated = |pointer: &str, value: Value| {
        let mut manifests = base.clone();
        manifests.change("DaemonSet", "hopspan", pointer, value);
        manifests
    };
    let container = "/spec/template/spec/containers/0";

    let refused = |pointer: &str, value: Value, what: &str| {
        let refusals = python.refusals(&mutated(pointer, value), &["1.31"]);
        assert!(contain(&refusals, what), "{what}: {refusals:?}");
    };
    refused(
        &format!("{container}/livenessprobe"),
        json!({}),
        "livenessprobe",
    );
    refused(
        &format!("{container}/ports/0/containerPort"),
        json!("9464"),
        "containerPort",
    );
    refused("/spec/selector", json!("hopspan"), "selector");

    let found = |problems: Vec<String>, what: &str| {
        assert!(contain(&problems, what), "{what}: {problems:?}");
    };
    let port = mutated(&format!("{container}/ports/0/containerPort"), json!(9465));
    found(wiring::problems(&port), "--listen");
    let probe = mutated(
        &format!("{container}/livenessProbe/httpGet/port"),
        json!("metrics"),
    );
    found(wiring::problems(&probe), "no port \"metrics\"");
    let label = mutated("/spec/template/metadata/labels", json!({}));
    found(wiring::problems(&label), "selector");
    let account = mutated("/spec/template/spec/serviceAccountName", json!("default2"));
    found(
        references::problems(&account),
        "ServiceAccount hopspan/default2",
    );
    let source = json!([{"configMapRef": {"name": "settings"}}]);
    let config = mutated(&format!("{container}/envFrom"), source);
    found(references::problems(&config), "ConfigMap hopspan/settings");
    let image = mutated(&format!("{container}/image"), json!("hopspan:latest"));
    found(wiring::problems(&image), "hopspan:latest");
    let power = mutated(
        &format!("{container}/securityContext/privileged"),
        json!(true),
    );
    found(rights::problems(&power, false), "privileged");
    let mut verbs = base.clone();
    verbs.change(
        "ClusterRole",
        "hopspan",
        "/rules/0/verbs/0",
        json!("create"),
    );
    found(rights::problems(&verbs, false), "create");
}
