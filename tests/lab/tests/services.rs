//! Services on a lab's node: which pod a ClusterIP leads to, and which client address the pod sees.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

#[allow(dead_code)] // Each test binary uses a part of it.
mod responder;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use hopspan_lab::kube_proxy::{Protocol, Service, service_chain};
use hopspan_lab::{Lab, skip};
use responder::{request, serve, service};

#[test]
fn a_cluster_ip_leads_to_both_pods() {
    let Some(lab) = Lab::for_test("a_cluster_ip_leads_to_both_pods").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let [client, a, b] = ["client", "a", "b"].map(|name| node.pod("default", name).unwrap());
    let web = service("web", 10, &[&a, &b]);
    node.apply_services(std::slice::from_ref(&web)).unwrap();
    let _responders = [serve(&a, 8080), serve(&b, 8080)];

    let mut hits = BTreeMap::new();
    for _ in 0..40 {
        let (pod, seen) = client.within(|| request(web.address())).unwrap().unwrap();
        assert_eq!(
            seen,
            client.ip().to_string(),
            "a pod's own address is not masqueraded"
        );
        *hits.entry(pod).or_insert(0) += 1;
    }
    // With a fair choice, the probability that one of the pods gets no connection is 2^-39.
    assert_eq!(hits.keys().collect::<Vec<_>>(), ["a", "b"], "{hits:?}");
}

#[test]
fn a_reply_over_udp_comes_from_the_cluster_ip() {
    let Some(lab) = Lab::for_test("a_reply_over_udp_comes_from_the_cluster_ip").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let [client, server] = ["client", "server"].map(|name| node.pod("default", name).unwrap());
    let bind = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
    let server_socket = server.within(|| bind(5353)).unwrap().unwrap();
    let client_socket = client.within(|| bind(0)).unwrap().unwrap();
    for socket in [&server_socket, &client_socket] {
        socket.set_read_timeout(Some(responder::TIMEOUT)).unwrap();
    }
    let dns = Service {
        protocol: Protocol::Udp,
        port: 53,
        endpoints: vec![SocketAddr::new(server.ip().into(), 5353)],
        ..service("dns", 53, &[])
    };
    node.apply_services(std::slice::from_ref(&dns)).unwrap();

    client_socket.send_to(b"question", dns.address()).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = server_socket.recv_from(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..length], from.ip()),
        (&b"question"[..], client.ip().into())
    );
    server_socket.send_to(b"answer", from).unwrap();
    let (length, from) = client_socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"answer"[..], dns.address()));
}

#[test]
fn a_pod_that_reaches_itself_is_masqueraded() {
    let Some(lab) = Lab::for_test("a_pod_that_reaches_itself_is_masqueraded").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let pod = node.pod("default", "self").unwrap();
    let web = service("web", 10, &[&pod]);
    node.apply_services(std::slice::from_ref(&web)).unwrap();
    let _responder = serve(&pod, 8080);

    let answer = pod.within(|| request(web.address())).unwrap().unwrap();
    assert_eq!(answer, ("self".into(), node.gateway_ip().to_string()));
}

#[test]
fn a_node_that_reaches_a_service_is_masqueraded() {
    let Some(lab) = Lab::for_test("a_node_that_reaches_a_service_is_masqueraded").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let pod = node.pod("default", "web").unwrap();
    let web = service("web", 10, &[&pod]);
    node.apply_services(std::slice::from_ref(&web)).unwrap();
    let _responder = serve(&pod, 8080);

    // By its default route, the node connects from eth0's address, which is not in the pod network.
    let answer = node.within(|| request(web.address())).unwrap().unwrap();
    assert_eq!(answer, ("web".into(), node.gateway_ip().to_string()));
}

#[test]
fn a_service_without_endpoints_refuses() {
    let Some(lab) = Lab::for_test("a_service_without_endpoints_refuses").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let client = node.pod("default", "client").unwrap();
    let empty = service("empty", 20, &[]);
    node.apply_services(std::slice::from_ref(&empty)).unwrap();

    // The SYN is routed from the bridge towards eth0. The REJECT leaves by the bridge and arrives.
    let from_pod = client
        .within(|| request(empty.address()))
        .unwrap()
        .unwrap_err();
    assert_eq!(from_pod.kind(), ErrorKind::ConnectionRefused, "{from_pod}");
    let from_node = node
        .within(|| request(empty.address()))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        from_node.kind(),
        ErrorKind::ConnectionRefused,
        "{from_node}"
    );
}

#[test]
fn services_replace_those_applied_before() {
    let Some(lab) = Lab::for_test("services_replace_those_applied_before").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let [client, server] = ["client", "server"].map(|name| node.pod("default", name).unwrap());
    let (old, new) = (
        service("old", 10, &[&server]),
        service("new", 11, &[&server]),
    );
    let _responder = serve(&server, 8080);

    node.apply_services(std::slice::from_ref(&old)).unwrap();
    node.apply_services(std::slice::from_ref(&new)).unwrap();
    assert_eq!(
        client.within(|| request(new.address())).unwrap().unwrap().0,
        "server"
    );
    assert!(client.within(|| request(old.address())).unwrap().is_err());

    let saved = node
        .command("iptables-save")
        .run(responder::TIMEOUT)
        .unwrap();
    assert!(saved.contains(&service_chain(&new)) && !saved.contains(&service_chain(&old)));
}

#[test]
fn two_labs_at_the_same_time_are_separate() {
    if skip("two_labs_at_the_same_time_are_separate") {
        return;
    }
    // Both labs have the same names and addresses and are made at the same time.
    let answers = std::thread::scope(|scope| {
        let labs = ["left", "right"].map(|pod_name| {
            scope.spawn(move || {
                let lab = Lab::new("two_labs_at_the_same_time_are_separate").unwrap();
                let node = lab.node("node").unwrap();
                let client = node.pod("default", "client").unwrap();
                let server = node.pod("default", pod_name).unwrap();
                let web = service("web", 10, &[&server]);
                node.apply_services(std::slice::from_ref(&web)).unwrap();
                let responder = serve(&server, 8080);
                (lab, client, web, responder)
            })
        });
        let labs = labs.map(|thread| thread.join().unwrap());
        assert_ne!(labs[0].0.id(), labs[1].0.id());
        labs.map(|(_lab, client, web, _responder)| {
            client.within(|| request(web.address())).unwrap().unwrap().0
        })
    });
    assert_eq!(answers, ["left", "right"]);
}
