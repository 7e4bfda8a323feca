//! Pods that share the node's network namespace, and a process of the node that is in no pod.

use std::{fs, net::SocketAddr, time::Duration};

use hopspan_apiserver::object;
use hopspan_e2e::binary;
use hopspan_lab::Process;

use super::fixture::{ClusterFixture, NODE, exchanges, load, now, side};

const DEADLINE: Duration = Duration::from_secs(60);
const REQUESTS: u64 = 10;

/// A pod with hostNetwork. In the lab it is only a cgroup.
struct HostPod {
    name: &'static str,
    uid: &'static str,
    container_id: String,
    port: u16,
}

fn pods() -> [HostPod; 2] {
    let pod = |name, uid, digit: &str, port| HostPod {
        name,
        uid,
        container_id: digit.repeat(64),
        port,
    };
    [
        pod(
            "exporter",
            "5f3e2a10-0c55-4f6e-9d7a-1b2c3d4e5f60",
            "a",
            9100,
        ),
        pod("proxy", "7a1b9c20-4d66-4e8f-8a9b-0c1d2e3f4a5b", "b", 9200),
    ]
}

/// Starts an echo server in the node's network namespace and, for a pod, in the cgroup that the
/// systemd driver would make.
fn serve(cluster: &ClusterFixture, port: u16, pod: Option<&HostPod>) -> Process {
    let node = &cluster.fixture.node();
    let echo = binary("echo").unwrap();
    let serve = format!("exec {} server --listen 0.0.0.0:{port}", echo.display());
    let script = match pod {
        Some(pod) => {
            let slice = format!(
                "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{}.slice/cri-containerd-{}.scope",
                pod.uid.replace('-', "_"),
                pod.container_id
            );
            let cgroup = node.cgroup_root().join(slice);
            fs::create_dir_all(&cgroup).unwrap();
            format!("echo $$ > {}/cgroup.procs && {serve}", cgroup.display())
        }
        None => serve,
    };
    let mut server = node.command("sh").args(["-c", &script]).spawn().unwrap();
    server.wait_listening(port, DEADLINE).unwrap();
    server
}

#[test]
fn host_network_pods_and_processes_of_the_node_are_distinguished() {
    if hopspan_lab::skip("host_network_pods_and_processes_of_the_node_are_distinguished") {
        return;
    }
    let cluster = ClusterFixture::start("host-network");
    let node_ip = cluster.fixture.node().ip().into();
    for pod in pods() {
        let object = object::Pod {
            namespace: "kube-system",
            name: pod.name,
            uid: pod.uid,
            node: NODE,
            node_ip,
            ip: node_ip,
            host_network: true,
            owner: Some(("DaemonSet", pod.name)),
            template_hash: None,
            container: ("main", &pod.container_id),
            port: pod.port,
            started_at: &now(),
        };
        cluster.store.apply(object.to_json());
    }
    let client = cluster.fixture.node().pod("shop", "client").unwrap();
    cluster.deployed(&client, "client", client.ip().into());
    let mut servers: Vec<Process> = pods()
        .iter()
        .map(|pod| serve(&cluster, pod.port, Some(pod)))
        .collect();
    servers.push(serve(&cluster, 9300, None));
    cluster.settle();
    for (first, port) in [(1, 9100), (100, 9200), (200, 9300)] {
        load(
            &cluster.fixture,
            &client,
            SocketAddr::new(node_ip, port),
            first,
            REQUESTS,
        );
    }
    drop(servers);
    let outcome = cluster.finish();
    let exchanges = exchanges(&outcome);
    assert_eq!(exchanges.len(), 3 * usize::try_from(REQUESTS).unwrap());
    for (number, exchange) in exchanges {
        let expected = match number {
            1..100 => "kube-system/exporter  main @node",
            100..200 => "kube-system/proxy  main @node",
            // No pod: only the node is known.
            _ => "/   @node",
        };
        assert_eq!(side(&exchange, "destination"), expected, "{number}");
        let daemon_set = exchange.attribute("hopspan.destination.k8s.daemonset.name");
        assert_eq!(daemon_set.is_empty(), number >= 200, "{number}");
    }
}
