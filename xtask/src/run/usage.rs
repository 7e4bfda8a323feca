//! What to try while the lab stays up. In: nodes, pods, the agent's binary. Out: text, with a command
//! for each thing to try, as root in another terminal; and a script for each node and pod, which runs
//! a program there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hopspan_lab::{Lab, Node, Pod};

use super::app::{Application, EmptyPods, SERVER_PORT};

/// Something to try, and the command.
type Try = (String, String);

/// Writes the scripts, and returns how to use the lab from other terminals.
///
/// # Errors
/// When a script cannot be written.
pub(super) fn usage(
    lab: &Lab,
    nodes: &[Node],
    app: &Application,
    hopspan: &Path,
) -> Result<String> {
    let scripts = Scripts(lab.work_dir());
    let mut lines = vec![
        match app {
            Application::HotRod(_) => "the lab stays up until Ctrl-C; Enter sends another dispatch",
            Application::Empty(_) => "the lab stays up until Ctrl-C; its pods are empty",
        }
        .to_owned(),
    ];
    lines.extend(nodes.first().map(|first| {
        let ip = match nodes.len() {
            1 => first.gateway_ip(),
            _ => first.ip(),
        };
        format!("  OTLP      gRPC {ip}:4317, HTTP {ip}:4318, for pods and nodes")
    }));
    lines.push(format!("  logs      {}", lab.work_dir().display()));
    lines.push("  to run a program there, as root: the script, then the program".to_owned());
    for node in nodes {
        scripts.of_node(node)?;
        lines.push(place("node", node.name(), node.ip(), &scripts.node(node)));
    }
    for pod in app.pods() {
        scripts.of_pod(&pod)?;
        lines.push(place("pod", pod.name(), pod.ip(), &scripts.pod(&pod)));
    }
    lines.push("to try, as root in another terminal:".to_owned());
    for (what, command) in things_to_try(nodes, app, &hopspan.display().to_string(), &scripts) {
        lines.extend([format!("  # {what}"), format!("  {command}")]);
    }
    Ok(lines.join("\n"))
}

fn place(kind: &str, name: &str, ip: impl ToString, script: &str) -> String {
    format!("  {kind:<9} {name:<12} {:<12} {script}", ip.to_string())
}

fn things_to_try(
    nodes: &[Node],
    app: &Application,
    hopspan: &str,
    scripts: &Scripts<'_>,
) -> Vec<Try> {
    let mut all: Vec<Try> = Vec::new();
    for node in nodes {
        let what = match nodes.len() {
            1 => "exchanges as they happen".to_owned(),
            _ => format!("exchanges as they happen, of {}", node.name()),
        };
        all.push((what, format!("{} {hopspan} watch", scripts.node(node))));
    }
    let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else {
        return all;
    };
    match app {
        Application::HotRod(hotrod) => {
            all.push((
                "a request without a trace context, seen by `watch --untraced`".to_owned(),
                format!(
                    "{} curl -s 'http://10.96.0.10:8080/dispatch?customer=123'",
                    scripts.pod(hotrod.client())
                ),
            ));
            let pods = hotrod.pods();
            let victim = pods.iter().find(|pod| pod.name() == "customer-0");
            all.extend(victim.map(|pod| {
                let rule = format!("FORWARD -d {} -j DROP", pod.ip());
                (
                    format!(
                        "packets to {} are dropped (-D in place of -I ends it)",
                        pod.name()
                    ),
                    format!("{} iptables -I {rule}", scripts.node(last)),
                )
            }));
        }
        Application::Empty(empty) => all.extend(own_programs(empty, scripts)),
    }
    let first = scripts.node(first);
    all.push((
        "what the agent counts".to_owned(),
        format!("{first} curl -s http://127.0.0.1:9464/metrics"),
    ));
    all.push((
        "kube-proxy's rules for the services".to_owned(),
        format!("{first} sh -c 'iptables-save -t nat; nft list ruleset'"),
    ));
    all
}

/// Programs in the empty pods.
fn own_programs(empty: &EmptyPods, scripts: &Scripts<'_>) -> Vec<Try> {
    let servers = empty.servers().iter().map(|pod| {
        let server = format!("python3 -m http.server {SERVER_PORT}");
        (
            format!("a server of your own in {}", pod.name()),
            format!("{} {server}", scripts.pod(pod)),
        )
    });
    let client = scripts.pod(empty.client());
    let url = EmptyPods::url();
    let trace = "-H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
    let clients = [
        (
            "a client; of requests without a trace context ten a second get a trace".to_owned(),
            format!("{client} curl -s {url}"),
        ),
        (
            "a request in a trace of its client".to_owned(),
            format!("{client} curl -s {trace} {url}"),
        ),
    ];
    servers.chain(clients).collect()
}

/// Scripts that run a program on a node or in a pod. The agent follows sockets by cgroup, so a program
/// is in a pod if it is in its network namespace and in its cgroup.
struct Scripts<'a>(&'a Path);

impl Scripts<'_> {
    fn node(&self, node: &Node) -> String {
        self.file(node.name()).display().to_string()
    }

    fn pod(&self, pod: &Pod) -> String {
        self.file(pod.name()).display().to_string()
    }

    fn of_node(&self, node: &Node) -> Result<()> {
        let script = format!(
            "#!/bin/sh\nexec nsenter --net={} -- \"$@\"\n",
            node.netns_path().display()
        );
        self.write(node.name(), &script)
    }

    fn of_pod(&self, pod: &Pod) -> Result<()> {
        let script = format!(
            "#!/bin/sh\necho $$ > {}/cgroup.procs\nexec nsenter --net={} -- \"$@\"\n",
            pod.cgroup().display(),
            pod.netns_path().display()
        );
        self.write(pod.name(), &script)
    }

    fn write(&self, name: &str, script: &str) -> Result<()> {
        let file = self.file(name);
        fs::write(&file, script)
            .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o755)))
            .with_context(|| format!("write {}", file.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
