//! References to other objects: they must be in the same overlay.

use serde_json::Value;

use crate::manifest::{Manifests, Workload, list, text, title};

/// Kinds without a namespace.
const OF_THE_CLUSTER: [&str; 4] = [
    "Namespace",
    "PriorityClass",
    "ClusterRole",
    "ClusterRoleBinding",
];

pub(crate) fn problems(manifests: &Manifests) -> Vec<String> {
    let mut problems = namespaces(manifests);
    problems.extend(bindings(manifests));
    for workload in manifests.workloads() {
        for (kind, namespace, name) in named(&workload) {
            if !name.is_empty() && !manifests.has(kind, namespace, name) {
                let place = if namespace.is_empty() { "" } else { "/" };
                problems.push(format!(
                    "{} names {kind} {namespace}{place}{name}, which is not there",
                    workload.title
                ));
            }
        }
        problems.extend(volumes(&workload));
    }
    problems
}

/// The overlay has every namespace that it uses.
fn namespaces(manifests: &Manifests) -> Vec<String> {
    let missing = manifests.all().filter(|object| {
        let namespace = text(&object["metadata"]["namespace"]);
        if OF_THE_CLUSTER.contains(&text(&object["kind"])) {
            !namespace.is_empty()
        } else {
            !manifests.has("Namespace", "", namespace)
        }
    });
    missing
        .map(|object| {
            format!(
                "{}: its namespace is not made, or it can have none",
                title(object)
            )
        })
        .collect()
}

fn bindings(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for binding in manifests.of_kind("ClusterRoleBinding") {
        let role = &binding["roleRef"];
        if !manifests.has(text(&role["kind"]), "", text(&role["name"])) {
            problems.push(format!("{} binds no role that is there", title(binding)));
        }
        for subject in list(&binding["subjects"]) {
            let (kind, namespace) = (text(&subject["kind"]), text(&subject["namespace"]));
            if !manifests.has(kind, namespace, text(&subject["name"])) {
                problems.push(format!(
                    "{} binds {subject}, which is not there",
                    title(binding)
                ));
            }
        }
    }
    problems
}

/// The references of a pod, as (kind, namespace, name).
fn named<'a>(workload: &Workload<'a>) -> Vec<(&'static str, &'a str, &'a str)> {
    let (pod, namespace) = (workload.pod, workload.namespace);
    let mut named = vec![
        (
            "ServiceAccount",
            namespace,
            text(&pod["serviceAccountName"]),
        ),
        ("PriorityClass", "", text(&pod["priorityClassName"])),
    ];
    let mut within = |kind, name: &'a Value| named.push((kind, namespace, text(name)));
    for volume in list(&pod["volumes"]) {
        within("ConfigMap", &volume["configMap"]["name"]);
        within("Secret", &volume["secret"]["secretName"]);
    }
    let containers = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|of| list(&pod[of]));
    for container in containers {
        for source in list(&container["envFrom"]) {
            within("ConfigMap", &source["configMapRef"]["name"]);
            within("Secret", &source["secretRef"]["name"]);
        }
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            within("ConfigMap", &from["configMapKeyRef"]["name"]);
            within("Secret", &from["secretKeyRef"]["name"]);
        }
    }
    named
}

/// Each mount has its volume, and each volume is mounted.
fn volumes(workload: &Workload<'_>) -> Vec<String> {
    let name = |of: &Value| text(&of["name"]).to_owned();
    let volumes: Vec<String> = list(&workload.pod["volumes"]).map(name).collect();
    let mounted: Vec<String> = workload
        .containers()
        .flat_map(|container| list(&container["volumeMounts"]))
        .map(name)
        .collect();
    let only_in = |some: &[String], others: &[String], what: &str| {
        let lone = some.iter().filter(|name| !others.contains(name));
        lone.map(|name| format!("{}: {what} {name}", workload.title))
            .collect::<Vec<_>>()
    };
    let mut problems = only_in(&mounted, &volumes, "mounts what is no volume:");
    problems.extend(only_in(&volumes, &mounted, "never mounts the volume"));
    problems
}
