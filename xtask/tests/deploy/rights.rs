//! The agent may read names from the API, and has the capabilities that were measured to be needed.

use serde_json::Value;

use crate::manifest::{Manifests, list, text, title};

const VERBS: [&str; 3] = ["get", "list", "watch"];
const RESOURCES: [&str; 3] = ["pods", "services", "endpointslices"];
/// deploy/README.md has the reason for each.
const CAPABILITIES: [&str; 5] = ["BPF", "NET_ADMIN", "NET_RAW", "PERFMON", "SYS_PTRACE"];

pub(crate) fn problems(manifests: &Manifests, privileged: bool) -> Vec<String> {
    let mut problems: Vec<String> = manifests
        .of_kind("ClusterRole")
        .chain(manifests.of_kind("Role"))
        .flat_map(role)
        .collect();
    for workload in manifests.workloads() {
        for container in workload.containers() {
            let name = format!("{} {}", workload.title, text(&container["name"]));
            let agent = text(&container["name"]) == "hopspan";
            let found = container_problems(container, agent, agent && privileged);
            problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("{name}: {problem}")),
            );
        }
    }
    problems
}

fn role(role: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for rule in list(&role["rules"]) {
        let beyond = |of: &str, allowed: &[&str]| {
            list(&rule[of])
                .map(text)
                .filter(|found| !allowed.contains(found))
                .map(|found| format!("{} allows {of} {found:?}", title(role)))
                .collect::<Vec<_>>()
        };
        problems.extend(beyond("verbs", &VERBS));
        problems.extend(beyond("resources", &RESOURCES));
        problems.extend(beyond("apiGroups", &["", "discovery.k8s.io"]));
        problems.extend(beyond("nonResourceURLs", &[]));
    }
    problems
}

fn container_problems(container: &Value, agent: bool, privileged: bool) -> Vec<String> {
    let context = &container["securityContext"];
    let mut problems = Vec::new();
    let mut expect = |is: bool, problem: &str| {
        if !is {
            problems.push(problem.to_owned());
        }
    };
    expect(
        context["readOnlyRootFilesystem"] == true,
        "its root file system is writable",
    );
    expect(
        context["privileged"].as_bool().unwrap_or(false) == privileged,
        "privileged where it need not be, or unprivileged where it must be privileged",
    );
    if privileged {
        return problems;
    }
    expect(
        context["allowPrivilegeEscalation"] == false,
        "may escalate its privileges",
    );
    let capabilities =
        |of: &str| -> Vec<&str> { list(&context["capabilities"][of]).map(text).collect() };
    expect(capabilities("drop") == ["ALL"], "keeps capabilities");
    let needed: &[&str] = if agent { &CAPABILITIES } else { &[] };
    expect(capabilities("add") == needed, "adds other capabilities");
    let resources = &container["resources"];
    for of in ["requests", "limits"] {
        expect(
            resources[of]["memory"].is_string(),
            "has no request or limit of memory",
        );
    }
    problems
}
