//! What to try while the lab stays up. In: nodes, pods, the agent's binary. Out: text, with a command
//! for each thing to try, as root in another terminal.

use std::path::Path;

use hopspan_lab::{Lab, Node, Pod};

use super::app::{Application, EmptyPods, SERVER_PORT};

/// How to use the lab from other terminals.
pub(super) fn usage(lab: &Lab, nodes: &[Node], app: &Application, hopspan: &Path) -> String {
    let mut lines = vec![
        match app {
            Application::HotRod(_) => "the lab stays up until Ctrl-C; Enter sends another dispatch",
            Application::Empty(_) => "the lab stays up until Ctrl-C; its pods are empty",
        }
        .to_owned(),
    ];
    lines.extend(places(lab, nodes, app));
    lines.push("to try, as root in another terminal:".to_owned());
    let hopspan = hopspan.display().to_string();
    if let Some(first) = nodes.first() {
        lines.extend(
            things_to_try(nodes, first, app, &hopspan)
                .iter()
                .flat_map(|(what, command)| [format!("  # {what}"), format!("  {command}")]),
        );
    }
    lines.join("\n")
}

/// Where everything is.
fn places(lab: &Lab, nodes: &[Node], app: &Application) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(nodes.first().map(|first| {
        let ip = match nodes.len() {
            1 => first.gateway_ip(),
            _ => first.ip(),
        };
        format!("  OTLP      gRPC {ip}:4317, HTTP {ip}:4318, for pods and nodes")
    }));
    lines.push(format!("  logs      {}", lab.work_dir().display()));
    for node in nodes {
        let name = match nodes.len() {
            1 => node.ip().to_string(),
            _ => format!("{} {}", node.name(), node.ip()),
        };
        let netns = node.netns_path().display();
        lines.push(format!("  {:<9} {name:<26} nsenter --net={netns}", "node"));
    }
    for pod in app.pods() {
        let name = format!("{} {}", pod.name(), pod.ip());
        let netns = pod.netns_path().display();
        lines.push(format!("  {:<9} {name:<26} nsenter --net={netns}", "pod"));
    }
    lines
}

fn things_to_try(
    nodes: &[Node],
    first: &Node,
    app: &Application,
    hopspan: &str,
) -> Vec<(String, String)> {
    let on = |node: &Node, command: &str| {
        format!("nsenter --net={} {command}", node.netns_path().display())
    };
    let mut all: Vec<(String, String)> = Vec::new();
    for node in nodes {
        let what = match nodes.len() {
            1 => "exchanges as they happen".to_owned(),
            _ => format!("exchanges as they happen, of {}", node.name()),
        };
        all.push((what, on(node, &format!("{hopspan} watch"))));
    }
    match app {
        Application::HotRod(hotrod) => {
            let url = "http://10.96.0.10:8080/dispatch?customer=123";
            let what = "a request without a trace context, seen by `watch --untraced`";
            let client = hotrod.client();
            all.push((what.to_owned(), in_pod(client, &format!("curl -s '{url}'"))));
            let pods = hotrod.pods();
            let victim = pods.iter().find(|pod| pod.name() == "customer-0");
            if let Some(victim) = victim {
                let node = nodes.last().unwrap_or(first);
                let rule = format!("FORWARD -d {} -j DROP", victim.ip());
                let what = "packets to one pod are dropped (-D in the place of -I ends it)";
                all.push((what.to_owned(), on(node, &format!("iptables -I {rule}"))));
            }
        }
        Application::Empty(empty) => all.extend(own_programs(empty)),
    }
    all.push((
        "what the agent counts".to_owned(),
        on(first, "curl -s http://127.0.0.1:9464/metrics"),
    ));
    all.push((
        "kube-proxy's rules for the services".to_owned(),
        on(first, "iptables-save -t nat"),
    ));
    all
}

/// How to put programs into the empty pods. The agent follows what runs in a pod's cgroup.
fn own_programs(empty: &EmptyPods) -> Vec<(String, String)> {
    let server = format!("python3 -m http.server {SERVER_PORT}");
    let servers = empty.servers().iter().map(|pod| {
        let what = format!(
            "a server of your own in {}: it has to be in the pod's cgroup and network namespace",
            pod.name()
        );
        (what, in_pod(pod, &server))
    });
    let traced =
        "curl -s -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
    let client = (
        "a client of your own, with a trace context; without one, ten requests a second have traces"
            .to_owned(),
        in_pod(empty.client(), &format!("{traced} {}", EmptyPods::url())),
    );
    servers.chain([client]).collect()
}

/// A command that runs in a pod's cgroup and network namespace, in a shell's single words.
fn in_pod(pod: &Pod, command: &str) -> String {
    format!(
        "sh -c 'echo $$ > {}/cgroup.procs; exec nsenter --net={} \"$@\"' sh {command}",
        pod.cgroup().display(),
        pod.netns_path().display(),
    )
}
