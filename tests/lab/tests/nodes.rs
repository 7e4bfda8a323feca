//! Several nodes: pods reach pods of other nodes, directly and through services, in both families,
//! with and without an overlay. The server sees the client's address that Kubernetes defines.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

#[allow(dead_code)] // Each test binary uses a part of it.
mod responder;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use hopspan_lab::hotrod::{HotRodOptions, deploy_over};
use hopspan_lab::kube_proxy::{Family, ProxyMode};
use hopspan_lab::{Lab, Node, NodeOptions, Overlay, Pod, Wiring, skip};
use responder::{request, serve, service_of};

/// Three nodes, and a pod on each; the third node is made after the others have their pods.
struct Fixture {
    lab: Lab,
    nodes: [Node; 3],
    pods: [Pod; 3],
}

impl Fixture {
    fn start(label: &str, options: NodeOptions) -> Self {
        let lab = Lab::new(label).unwrap();
        let nodes = ["one", "two", "three"].map(|name| {
            let node = lab.node_with(name, options).unwrap();
            let pod = node.pod("default", &format!("on-{name}")).unwrap();
            (node, pod)
        });
        let pods = nodes.clone().map(|(_, pod)| pod);
        Self {
            lab,
            nodes: nodes.map(|(node, _)| node),
            pods,
        }
    }
}

fn check(test: &str, options: NodeOptions) {
    if skip(test) {
        return;
    }
    let Fixture { lab, nodes, pods } = Fixture::start(test, options);
    let _responders = pods.each_ref().map(|pod| serve(pod, 8080));
    // Each service has one endpoint, on a node of its own, which is not the client's.
    let services: Vec<_> = Family::ALL
        .into_iter()
        .flat_map(|family| {
            [&pods[1], &pods[2]]
                .into_iter()
                .zip([10, 11])
                .map(move |(pod, host)| service_of(family, pod.name(), host, &[pod]))
        })
        .collect();
    lab.apply_services(&services).unwrap();
    let client = &pods[0];
    for family in Family::ALL {
        let own = client.ip_in(family).to_string();
        for pod in &pods {
            let address = SocketAddr::new(pod.ip_in(family), 8080);
            let answer = client.within(|| request(address)).unwrap().unwrap();
            assert_eq!(answer, (pod.name().to_owned(), own.clone()));
            // And in the other direction.
            let back = SocketAddr::new(client.ip_in(family), 8080);
            let answer = pod.within(|| request(back)).unwrap().unwrap();
            assert_eq!(answer.1, pod.ip_in(family).to_string());
        }
        let masquerade = masquerade_address(&nodes[0], client, family);
        for service in services.iter().filter(|service| service.family() == family) {
            let (name, address) = (service.name.clone(), service.address());
            let answer = client.within(|| request(address)).unwrap().unwrap();
            let seen = match options.masquerade_all {
                true => masquerade.clone(),
                false => own.clone(),
            };
            assert_eq!(answer, (name.clone(), seen));
            // The node is not in the pod network: it is always masqueraded.
            let answer = nodes[0].within(|| request(address)).unwrap().unwrap();
            assert_eq!(answer, (name, masquerade.clone()));
        }
        send_full_packets(client, &pods[1], family);
    }
}

/// The address of the device by which packets leave for another node's pods: eth0's, or that of the
/// overlay's device, which is the first of the node's pod network.
fn masquerade_address(node: &Node, pod: &Pod, family: Family) -> String {
    match (node.options().overlay, family) {
        (Overlay::None, _) => node.ip_in(family).to_string(),
        (Overlay::Vxlan, Family::V4) => {
            let [a, b, c, _] = pod.ip().octets();
            format!("{a}.{b}.{c}.0")
        }
        (Overlay::Vxlan, Family::V6) => {
            let mut groups = pod.ip6().segments();
            groups[7] = 0;
            std::net::Ipv6Addr::from(groups).to_string()
        }
    }
}

/// Sends a megabyte in packets of full length, in each direction.
fn send_full_packets(client: &Pod, server: &Pod, family: Family) {
    const BYTES: usize = 1 << 20;
    let address = SocketAddr::new(server.ip_in(family), 9090);
    let listener = server
        .within(|| TcpListener::bind(address))
        .unwrap()
        .unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = vec![0; BYTES];
        stream.read_exact(&mut received).unwrap();
        stream.write_all(&received).unwrap();
    });
    let mut stream = client
        .within(|| TcpStream::connect(address))
        .unwrap()
        .unwrap();
    stream.set_read_timeout(Some(responder::TIMEOUT)).unwrap();
    let sent: Vec<u8> = (0..BYTES).map(|byte| (byte % 251) as u8).collect();
    stream.write_all(&sent).unwrap();
    let mut received = vec![0; BYTES];
    stream.read_exact(&mut received).unwrap();
    assert!(received == sent, "what came back is not what was sent");
    answering.join().unwrap();
}

fn options(wiring: Wiring, overlay: Overlay) -> NodeOptions {
    NodeOptions {
        wiring,
        overlay,
        ..NodeOptions::default()
    }
}

#[test]
fn bridged_pods_without_an_overlay() {
    check(
        "bridged_pods_without_an_overlay",
        options(Wiring::Bridge, Overlay::None),
    );
}

#[test]
fn bridged_pods_over_vxlan() {
    check(
        "bridged_pods_over_vxlan",
        options(Wiring::Bridge, Overlay::Vxlan),
    );
}

#[test]
fn routed_pods_without_an_overlay() {
    check(
        "routed_pods_without_an_overlay",
        options(Wiring::Routed, Overlay::None),
    );
}

#[test]
fn routed_pods_over_vxlan() {
    check(
        "routed_pods_over_vxlan",
        options(Wiring::Routed, Overlay::Vxlan),
    );
}

#[test]
fn masquerade_all_masquerades_pods() {
    let of = |proxy_mode, overlay| NodeOptions {
        proxy_mode,
        overlay,
        masquerade_all: true,
        ..NodeOptions::default()
    };
    let test = "masquerade_all_masquerades_pods";
    check(test, of(ProxyMode::Iptables, Overlay::Vxlan));
    check(test, of(ProxyMode::Nftables, Overlay::None));
}

#[test]
fn packets_for_another_node_are_encapsulated_only_with_an_overlay() {
    let test = "packets_for_another_node_are_encapsulated_only_with_an_overlay";
    if skip(test) {
        return;
    }
    for overlay in Overlay::ALL {
        let Fixture {
            lab: _lab,
            nodes,
            pods,
        } = Fixture::start(test, options(Wiring::Bridge, overlay));
        let _responder = serve(&pods[1], 8080);
        for family in Family::ALL {
            let address = SocketAddr::new(pods[1].ip_in(family), 8080);
            pods[0].within(|| request(address)).unwrap().unwrap();
        }
        for device in ["flannel.1", "flannel-v6.1"] {
            let command = nodes[1].command("ip").args(["-s", "link", "show", device]);
            let output = command.output(responder::TIMEOUT).unwrap();
            assert_eq!(output.status.success(), overlay == Overlay::Vxlan);
            let received = output
                .stdout
                .lines()
                .skip_while(|line| !line.contains("RX:"));
            let packets = received
                .skip(1)
                .find_map(|line| line.split_whitespace().nth(1));
            if overlay == Overlay::Vxlan {
                let packets: u64 = packets.unwrap().parse().unwrap();
                assert!(packets >= 5, "{device}: {}", output.stdout);
            }
        }
    }
}

#[test]
fn nodes_of_one_lab_have_one_overlay() {
    let Some(lab) = Lab::for_test("nodes_of_one_lab_have_one_overlay").unwrap() else {
        return;
    };
    lab.node("one").unwrap();
    let error = lab
        .node_with("two", options(Wiring::Bridge, Overlay::Vxlan))
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("give all nodes of a lab the same"),
        "{error}"
    );
}

#[test]
fn hotrod_is_spread_over_nodes() {
    if skip("hotrod_is_spread_over_nodes") {
        return;
    }
    let Fixture {
        lab: _lab, nodes, ..
    } = Fixture::start(
        "hotrod_is_spread_over_nodes",
        options(Wiring::Routed, Overlay::Vxlan),
    );
    let stand_in = HotRodOptions::new(env!("CARGO_BIN_EXE_hotrod-stand-in"));
    let mut hotrod = deploy_over(&nodes, &stand_in).unwrap();
    let on = |node: &Node| -> Vec<String> {
        let pods = node.pods().into_iter();
        let of_hotrod = pods.filter(|pod| pod.namespace() == "hotrod");
        of_hotrod.map(|pod| pod.name().to_owned()).collect()
    };
    assert_eq!(on(&nodes[0]), ["client-0", "frontend-0"]);
    assert_eq!(on(&nodes[1]), ["customer-0", "driver-0", "route-1"]);
    assert_eq!(on(&nodes[2]), ["customer-1", "route-0"]);
    // Each exports to an address that its node has a route to.
    for (pod, process) in hotrod.instances() {
        let receiver = match pod.name() {
            "frontend-0" => nodes[0].gateway_ip(),
            _ => nodes[0].ip(),
        };
        let line = format!("OTEL_EXPORTER_OTLP_ENDPOINT=http://{receiver}:4317");
        assert!(process.log().contains(&line), "{line} for {}", pod.name());
    }
    let dispatches = hotrod.dispatch(4, 2).unwrap();
    assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
    hotrod.stop().unwrap();
}
