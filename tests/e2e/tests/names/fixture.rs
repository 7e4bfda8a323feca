//! A Kubernetes API on the node of a fixture, and the objects of the lab's pods.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use hopspan_apiserver::{Server, Store, object};
use hopspan_e2e::{EchoLoad, Exchange, Fixture, Outcome, Span, Trace};
use hopspan_lab::Pod;

/// A watch sends a change at once; the agent may have to wait for a processor.
const WATCH_LIMIT: Duration = Duration::from_secs(1);
/// The address of the API, on the node's loopback device.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
/// The agent's NODE_NAME.
pub(crate) const NODE: &str = "node";
/// What echo servers listen on.
pub(crate) const PORT: u16 = 8080;
const HASH: &str = "5d4f8c7b9d";

/// A node, an agent that watches an API, and the API.
pub(crate) struct ClusterFixture {
    pub(crate) fixture: Fixture,
    pub(crate) store: Arc<Store>,
    // Dropped after the agent: without the API the agent's log would have one more error at its
    // end.
    _server: Server,
    _kubeconfig: tempfile::TempDir,
}

impl ClusterFixture {
    /// The API starts after the agent, whose first requests fail. It has no objects yet.
    pub(crate) fn start(label: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        fs::write(&path, kubeconfig()).unwrap();
        let path = path.to_str().unwrap();
        let mut fixture = Fixture::start_with(label, &["--kubeconfig", path]).unwrap();
        let listener = fixture.node().within(|| TcpListener::bind(API));
        let store = Store::shared();
        let server = Server::start(listener.unwrap().unwrap(), Arc::clone(&store)).unwrap();
        for kind in ["pods", "endpointslices", "services"] {
            // An agent watches what it has listed.
            let connected = format!("hopspan_kubernetes_connected{{kind=\"{kind}\"}}");
            let watches = format!("hopspan_kubernetes_watches_total{{kind=\"{kind}\"}}");
            fixture
                .agent()
                .wait_for_metrics(&format!("watching {kind}"), |metrics| {
                    metrics.value(&connected) == Some(1.0) && metrics.value(&watches) > Some(0.0)
                })
                .unwrap();
        }
        Self {
            fixture,
            store,
            _server: server,
            _kubeconfig: directory,
        }
    }

    /// Waits until the agent has received the changes of the API's objects.
    pub(crate) fn settle(&self) {
        thread::sleep(WATCH_LIMIT);
    }

    /// Gives the API the object of a pod of the lab that belongs to a Deployment.
    pub(crate) fn deployed(&self, pod: &Pod, deployment: &str, ip: IpAddr) {
        let replica_set = format!("{deployment}-{HASH}");
        self.pod(pod, ip, ("ReplicaSet", &replica_set), Some(HASH));
    }

    /// Gives the API the object of a pod of the lab.
    pub(crate) fn pod(&self, pod: &Pod, ip: IpAddr, owner: (&str, &str), hash: Option<&str>) {
        let object = object::Pod {
            namespace: pod.namespace(),
            name: pod.name(),
            uid: pod.uid(),
            node: NODE,
            node_ip: self.fixture.node().ip().into(),
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
        self.fixture.finish().unwrap()
    }
}

/// Sends requests with numbers from `first` on from a pod, one after the other.
pub(crate) fn load(
    fixture: &Fixture,
    client: &Pod,
    address: SocketAddr,
    first: u64,
    requests: u64,
) {
    let load = EchoLoad {
        address,
        connections: 1,
        requests,
        first,
    };
    load.run(client, fixture.work_dir()).unwrap();
}

/// The exchanges of `echo`'s requests, in the order of the numbers in their trace ids.
pub(crate) fn exchanges(outcome: &Outcome) -> Vec<(u64, Exchange<'_>)> {
    let traces = outcome.traces.0.values();
    let mut exchanges: Vec<(u64, Exchange<'_>)> = traces
        .flat_map(Trace::exchanges)
        .map(|span| (u64::from_str_radix(&span.trace_id[16..], 16).unwrap(), span))
        .collect();
    exchanges.sort_by_key(|(number, _)| *number);
    exchanges
}

/// The names of one side of a span, as `namespace/pod workload container @node`.
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

/// The time now in the form of the API: RFC 3339, in whole seconds.
pub(crate) fn now() -> String {
    let date = Command::new("date").args(["-u", "+%FT%TZ"]).output();
    let date = String::from_utf8(date.unwrap().stdout).unwrap();
    date.trim_end().to_owned()
}
