//! A Kubernetes API on the node of a scene, and the objects of the lab's pods.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hopspan_apiserver::{Server, Store, object};
use hopspan_e2e::{Outcome, Scene, Span, binary};
use hopspan_lab::{Pod, Process};

/// The agent's back-off is a few seconds when the API has come after it.
const DEADLINE: Duration = Duration::from_secs(60);
/// A watch tells a change at once, to an agent that gets its turn.
const SETTLE: Duration = Duration::from_secs(1);
/// Of the API, on the node's loopback.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
/// What the agent of a scene is told as NODE_NAME.
pub(crate) const NODE: &str = "node";
/// Of the echo servers.
pub(crate) const PORT: u16 = 8080;
const HASH: &str = "5d4f8c7b9d";

/// A scene whose agent asks an API.
pub(crate) struct Cluster {
    pub(crate) scene: Scene,
    pub(crate) store: Arc<Store>,
    // The agent must not outlive it, or its end would be one more error in the agent's log.
    _server: Server,
    _kubeconfig: tempfile::TempDir,
}

impl Cluster {
    /// The API comes after the agent, which finds it away first. It has no objects yet.
    pub(crate) fn start(label: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        fs::write(&path, kubeconfig()).unwrap();
        let path = path.to_str().unwrap();
        let scene = Scene::start_with(label, &["--kubeconfig", path]).unwrap();
        let listener = scene.node.within(|| TcpListener::bind(API));
        let store = Store::shared();
        let server = Server::start(listener.unwrap().unwrap(), Arc::clone(&store)).unwrap();
        let mut cluster = Self {
            scene,
            store,
            _server: server,
            _kubeconfig: directory,
        };
        for kind in ["Pod", "Endpoints", "Service"] {
            cluster.until_logged(&format!("objects of kind {kind}"));
        }
        cluster
    }

    /// Waits until the agent has been told what the API has.
    pub(crate) fn settle(&self) {
        thread::sleep(SETTLE);
    }

    fn until_logged(&mut self, what: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.scene.agent.log().contains(what) {
            let ended = self.scene.agent.exit_status().unwrap();
            let log = self.scene.agent.log();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no {what:?}:\n{log}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the API has of a pod of the lab, which a Deployment has made.
    pub(crate) fn deployed(&self, pod: &Pod, deployment: &str, ip: IpAddr) {
        let replica_set = format!("{deployment}-{HASH}");
        self.pod(pod, ip, ("ReplicaSet", &replica_set), Some(HASH));
    }

    pub(crate) fn pod(&self, pod: &Pod, ip: IpAddr, owner: (&str, &str), hash: Option<&str>) {
        let object = object::Pod {
            namespace: pod.namespace(),
            name: pod.name(),
            uid: pod.uid(),
            node: NODE,
            node_ip: self.scene.node.ip().into(),
            ip,
            host_network: false,
            owner: Some(owner),
            template_hash: hash,
            container: ("main", pod.container_id()),
            port: PORT,
            started_at: &now(),
        };
        self.store.apply(object.to_json());
    }

    pub(crate) fn finish(self) -> Outcome {
        self.scene.finish().unwrap()
    }
}

/// An echo server in a pod.
pub(crate) fn echo_server(pod: &Pod) -> Process {
    let mut server = pod
        .command(binary("echo").unwrap())
        .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
        .spawn()
        .unwrap();
    server.wait_listening(PORT, DEADLINE).unwrap();
    server
}

/// Sends requests with these numbers from a pod, one after the other.
pub(crate) fn load(client: &Pod, to: SocketAddr, first: u64, requests: u64) {
    client
        .command(binary("echo").unwrap())
        .args(["load", "--protocol", "h1", "--url", &format!("http://{to}")])
        .args(["--first", &first.to_string()])
        .args(["--requests", &requests.to_string()])
        .run(DEADLINE)
        .unwrap();
}

/// The exchanges of echo's requests, by the number in their trace.
pub(crate) fn exchanges(outcome: &Outcome) -> Vec<(u64, &Span)> {
    let traces = outcome.traces.0.values();
    let mut exchanges: Vec<(u64, &Span)> = traces
        .flat_map(|trace| trace.of_role("exchange"))
        .map(|span| (u64::from_str_radix(&span.trace_id[16..], 16).unwrap(), span))
        .collect();
    exchanges.sort_by_key(|(number, _)| *number);
    exchanges
}

/// One side of a span, `namespace/pod workload container @node`.
pub(crate) fn side(span: &Span, side: &str) -> String {
    let text = |name: &str| span.attribute(&format!("hopspan.{side}.{name}"));
    let workload: Vec<String> = ["deployment", "statefulset", "cronjob", "job"]
        .iter()
        .map(|kind| (kind, text(&format!("k8s.{kind}.name"))))
        .filter(|(_, name)| !name.is_empty())
        .map(|(kind, name)| format!("{kind}={name}"))
        .collect();
    format!(
        "{}/{} {} {} @{}",
        text("k8s.namespace.name"),
        text("k8s.pod.name"),
        workload.join(" "),
        text("k8s.container.name"),
        text("k8s.node.name"),
    )
}

fn kubeconfig() -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
         clusters: [{{name: lab, cluster: {{server: \"http://{API}\"}}}}]\n\
         contexts: [{{name: lab, context: {{cluster: lab, user: lab}}}}]\n\
         users: [{{name: lab, user: {{}}}}]\n"
    )
}

/// RFC 3339, in whole seconds, as the API has it.
pub(crate) fn now() -> String {
    let date = Command::new("date").args(["-u", "+%FT%TZ"]).output();
    let date = String::from_utf8(date.unwrap().stdout).unwrap();
    date.trim_end().to_owned()
}
