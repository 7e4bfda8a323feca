//! An address that one pod has, and seconds later another.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use hopspan_apiserver::{
    Resource,
    object::{self, Endpoint},
};
use hopspan_e2e::echo_server;
use hopspan_lab::{Node, Pod};

use super::fixture::{ClusterFixture, NODE, PORT, exchanges, load, side};

const TOOL: Duration = Duration::from_secs(10);
const REQUESTS: u64 = 20;

fn ip(pod: &Pod, arguments: &str) {
    let command = pod.command("ip").args(arguments.split(' '));
    command.run(TOOL).unwrap();
}

/// Removes a pod's device, address and cgroup, as the kubelet and the runtime do at its end.
fn remove(pod: &Pod) {
    ip(pod, "link del eth0");
    fs::remove_dir(pod.cgroup()).unwrap();
    fs::remove_dir(pod.cgroup().parent().unwrap()).unwrap();
}

/// Gives a pod another address in place of its own.
fn readdress(node: &Node, pod: &Pod, address: IpAddr) {
    ip(pod, "addr flush dev eth0");
    ip(pod, &format!("addr add {address}/24 dev eth0"));
    ip(
        pod,
        &format!("route replace default via {}", node.gateway_ip()),
    );
}

fn endpoint_slice(cluster: &ClusterFixture, pod: &Pod, ip: IpAddr) {
    let (name, uid) = (pod.name(), pod.uid());
    let endpoint = Endpoint {
        ip,
        pod: name,
        uid,
        node: NODE,
    };
    let slice = object::endpoint_slice(pod.namespace(), "db", PORT, &[endpoint]);
    cluster.store.apply(slice);
}

#[test]
fn an_address_used_again_within_seconds_is_attributed_by_time() {
    if hopspan_lab::skip("an_address_used_again_within_seconds_is_attributed_by_time") {
        return;
    }
    let cluster = ClusterFixture::start("reuse");
    let node = cluster.fixture.node().clone();
    let client = node.pod("shop", "client").unwrap();
    let first = node.pod("shop", "db-first").unwrap();
    let address = IpAddr::from(first.ip());
    let socket = SocketAddr::new(address, PORT);
    cluster.deployed(&client, "client", client.ip().into());
    cluster.deployed(&first, "first", address);
    cluster
        .store
        .apply(object::service("shop", "db", "None", &[PORT]));
    endpoint_slice(&cluster, &first, address);
    cluster.settle();

    let listen = (Ipv4Addr::UNSPECIFIED, PORT);
    let mut server = echo_server(&first, listen).unwrap();
    load(&cluster.fixture, &client, socket, 1, REQUESTS);
    let began = Instant::now();
    server.kill().unwrap();
    remove(&first);

    let second = node.pod("shop", "db-second").unwrap();
    readdress(&node, &second, address);
    ip(&client, "neigh flush dev eth0");
    let server = echo_server(&second, listen).unwrap();
    // The API has the second pod at once, and still has the first.
    cluster.deployed(&second, "second", address);
    load(&cluster.fixture, &client, socket, 1_000, REQUESTS);
    let reused = began.elapsed();
    endpoint_slice(&cluster, &second, address);
    cluster.store.delete(Resource::Pods, "shop", first.name());
    // From here on the agent has these changes before the next request.
    cluster.settle();
    load(&cluster.fixture, &client, socket, 2_000, REQUESTS);
    drop(server);

    let outcome = cluster.finish();
    println!("the address was used again within {reused:?}");
    assert!(reused < Duration::from_secs(10), "{reused:?}");
    let exchanges = exchanges(&outcome);
    assert_eq!(exchanges.len(), 3 * usize::try_from(REQUESTS).unwrap());
    for (number, exchange) in exchanges {
        assert_eq!(
            exchange.attribute("destination.address"),
            address.to_string()
        );
        let (pod, workload) = if number < 1_000 {
            (&first, "first")
        } else {
            (&second, "second")
        };
        let expected = format!("shop/{} deployment={workload} main @{NODE}", pod.name());
        assert_eq!(side(&exchange, "destination"), expected, "{number}");
        let uid = exchange.attribute("hopspan.destination.k8s.pod.uid");
        assert_eq!(uid, pod.uid(), "{number}");
        assert_eq!(
            side(&exchange, "source"),
            format!("shop/client deployment=client main @{NODE}")
        );
        // A headless service: nothing is translated, and the span has the reason.
        assert_eq!(exchange.attribute("hopspan.nat.translated"), "");
        if number != 1_000 {
            assert_eq!(exchange.attribute("k8s.service.name"), "db", "{number}");
            assert_eq!(exchange.attribute("hopspan.service.headless"), "true");
        }
    }
}
