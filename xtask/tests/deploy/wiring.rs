//! Ports, selectors, images and host names that must be the same in different objects.

use serde_json::Value;

use crate::manifest::{Manifests, Workload, list, text, title};

pub(crate) fn problems(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for workload in manifests.workloads() {
        let mut add = |found: Vec<String>| {
            problems.extend(
                found
                    .into_iter()
                    .map(|text| format!("{}: {text}", workload.title)),
            );
        };
        add(selector(&workload));
        for container in workload.containers() {
            add(probes(container));
            add(image(container));
            add(endpoints(manifests, &workload, container));
            if text(&container["name"]) == "hopspan" {
                add(agent(&workload, container));
            }
        }
    }
    problems.extend(
        manifests
            .of_kind("Service")
            .flat_map(|found| service(manifests, found)),
    );
    problems
}

/// A workload selects its own pods.
fn selector(workload: &Workload<'_>) -> Vec<String> {
    let spec = &workload.object["spec"];
    let labels = &spec["template"]["metadata"]["labels"];
    if matches(&spec["selector"]["matchLabels"], labels) {
        vec![]
    } else {
        vec!["its selector does not select its pods".to_owned()]
    }
}

fn matches(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object();
    wanted.is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
    })
}

fn probes(container: &Value) -> Vec<String> {
    let probes = ["startupProbe", "livenessProbe", "readinessProbe"];
    let listened: Vec<&str> = listened(container).collect();
    let targets = probes.into_iter().flat_map(|probe| {
        let probe = &container[probe];
        [&probe["httpGet"], &probe["tcpSocket"]]
    });
    targets
        .filter(|target| !target.is_null())
        .filter(|target| match text(&target["host"]) {
            "" => !has_port(container, &target["port"]),
            // With a host it does not go to the pod's address.
            host => !listened.contains(&&*format!("{host}:{}", target["port"])),
        })
        .map(|target| {
            format!(
                "a probe goes to no port {} of the container",
                target["port"]
            )
        })
        .collect()
}

/// The places of the agent's --listen.
fn listened(container: &Value) -> impl Iterator<Item = &str> {
    list(&container["args"]).filter_map(|arg| text(arg).strip_prefix("--listen="))
}

fn has_port(container: &Value, wanted: &Value) -> bool {
    list(&container["ports"])
        .any(|port| port["name"] == *wanted || port["containerPort"] == *wanted)
}

/// The agent has the version of the workspace everywhere; no image has the tag `latest`.
fn image(container: &Value) -> Vec<String> {
    let image = text(&container["image"]);
    let ours = format!("hopspan:{}", env!("CARGO_PKG_VERSION"));
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let is_ours = text(&container["name"]) == "hopspan";
    if (is_ours && image != ours) || tag.is_empty() || tag == "latest" {
        return vec![format!(
            "image {image}: the agent's is {ours}, any other names a version"
        )];
    }
    vec![]
}

/// The agent's port is the same in its arguments, its ports, and the annotations for Prometheus.
fn agent(workload: &Workload<'_>, container: &Value) -> Vec<String> {
    let listen = listened(container).next().unwrap_or_default();
    let annotations = &workload.object["spec"]["template"]["metadata"]["annotations"];
    let declared = list(&container["ports"]).map(|port| port["containerPort"].to_string());
    let scraped = text(&annotations["prometheus.io/port"]).to_owned();
    declared
        .chain([scraped])
        .filter(|port| port != listen)
        .map(|port| format!("--listen={listen} differs from port {port}"))
        .collect()
}

/// Addresses are of Services with that port.
fn endpoints(manifests: &Manifests, workload: &Workload<'_>, container: &Value) -> Vec<String> {
    let mut wanted: Vec<(String, u64)> = Vec::new();
    for variable in list(&container["env"]) {
        let url = text(&variable["value"]).strip_prefix("http://");
        if let Some((host, port)) = url.and_then(|rest| rest.split_once(':'))
            && !host.starts_with("$(")
        {
            wanted.push((host.to_owned(), port.parse().unwrap_or(0)));
        }
    }
    // Ports by default: HotROD's own flags (examples/hotrod/cmd/flags.go).
    for (service, port) in [("customer", 8081), ("driver", 8082), ("route", 8083)] {
        let flag = format!("--{service}-service-hostname=");
        let hosts = list(&container["args"]).filter_map(|arg| text(arg).strip_prefix(&*flag));
        wanted.extend(hosts.map(|host| (host.to_owned(), port)));
    }
    wanted
        .into_iter()
        .filter(|(host, port)| !is_service(manifests, workload.namespace, host, *port))
        .map(|(host, port)| format!("{host}:{port} is no Service of these manifests"))
        .collect()
}

/// `name`, or `name.namespace.svc`.
fn is_service(manifests: &Manifests, from: &str, host: &str, port: u64) -> bool {
    let mut parts = host.split('.');
    let name = parts.next().unwrap_or_default();
    let namespace = parts.next().unwrap_or(from);
    manifests.of_kind("Service").any(|service| {
        service["metadata"]["name"] == name
            && service["metadata"]["namespace"] == namespace
            && list(&service["spec"]["ports"]).any(|found| found["port"] == port)
    })
}

/// The pods of a Service have its ports.
fn service(manifests: &Manifests, service: &Value) -> Vec<String> {
    let namespace = text(&service["metadata"]["namespace"]);
    let pods: Vec<Workload<'_>> = manifests
        .workloads()
        .filter(|workload| {
            let labels = &workload.object["spec"]["template"]["metadata"]["labels"];
            workload.namespace == namespace && matches(&service["spec"]["selector"], labels)
        })
        .collect();
    if pods.len() != 1 {
        return vec![format!(
            "{} selects the pods of {} workloads",
            title(service),
            pods.len()
        )];
    }
    let behind = |port: &Value| {
        pods.iter()
            .flat_map(Workload::containers)
            .any(|container| has_port(container, &port["targetPort"]))
    };
    list(&service["spec"]["ports"])
        .filter(|port| !behind(port))
        .map(|port| {
            format!(
                "{}: no container has port {}",
                title(service),
                port["targetPort"]
            )
        })
        .collect()
}
