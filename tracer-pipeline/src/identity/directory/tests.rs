//! Lookups over time: pods start, share and reuse addresses, and end; the API may be missing.

use super::*;
use crate::decode::fact::{
    CgroupFact, ContainerFact, EndpointFact, EndpointsFact, NodeFact, PodFact, SandboxFact,
    ServiceFact, Workload, WorkloadKind,
};

const SECOND: u64 = 1_000_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn object(name: &str) -> ObjectName {
    ObjectName {
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// A pod of this node, named after its uid.
fn pod(uid: &str, address: &str, from_s: u64) -> PodFact {
    PodFact {
        uid: uid.into(),
        pod: object(&format!("pod-{uid}")),
        node: Some("node-1".into()),
        workload: Some(Workload {
            kind: WorkloadKind::Deployment,
            name: "web".into(),
        }),
        addresses: vec![ip(address)],
        node_addresses: vec![ip("172.18.0.2")],
        containers: vec![ContainerFact {
            id: format!("container-{uid}"),
            name: "main".into(),
        }],
        from_ns: from_s * SECOND,
        ..PodFact::default()
    }
}

fn host_pod(uid: &str, port: u16) -> PodFact {
    PodFact {
        host_network: true,
        host_ports: vec![port],
        ..pod(uid, "172.18.0.2", 1)
    }
}

fn sandbox(uid: &str, address: &str, from_s: u64) -> SandboxFact {
    SandboxFact {
        pod_uid: uid.into(),
        netns: 4_026_532_000,
        host_network: false,
        addresses: vec![ip(address)],
        from_ns: from_s * SECOND,
    }
}

fn cgroup(id: u64, uid: &str) -> Fact {
    Fact::Cgroup(CgroupFact {
        id,
        pod_uid: uid.into(),
        container_id: Some(format!("container-{uid}")),
    })
}

/// An EndpointSlice with pods of another node, each by uid and address.
fn slice(name: &str, from_s: u64, pods: &[(&str, &str)]) -> EndpointsFact {
    let endpoint = |(uid, address): &(&str, &str)| EndpointFact {
        addresses: vec![ip(address)],
        pod: Some(((*uid).into(), object(&format!("pod-{uid}")))),
        workload: None,
        node: Some("node-2".into()),
    };
    EndpointsFact {
        slice: object(name),
        service: Some(name.into()),
        ports: vec![8080],
        endpoints: pods.iter().map(endpoint).collect(),
        from_ns: from_s * SECOND,
    }
}

fn directory(facts: impl IntoIterator<Item = Fact>) -> Directory {
    let mut directory = Directory::default();
    directory.apply(Fact::Node(NodeFact {
        name: "node-1".into(),
        addresses: vec![ip("172.18.0.2"), ip("10.244.1.1")],
    }));
    facts.into_iter().for_each(|fact| directory.apply(fact));
    directory
}

fn at(socket: &str, at_s: u64) -> PartyKey {
    PartyKey {
        socket: socket.parse().unwrap(),
        cgroup: 0,
        netns: 0,
        listens: true,
        at_ns: at_s * SECOND,
    }
}

/// `pod container @node`, with `-` for unknown ones.
fn named(directory: &Directory, side: PartyKey) -> String {
    let party = directory.party(&side);
    let pod = party.pod.map(|pod| pod.name.as_ref().unwrap_or(&pod.uid));
    let container = party
        .container
        .map(|container| container.name.as_ref().unwrap_or(&container.id));
    let text = |name: Option<&Arc<str>>| name.map_or("-", |name| name).to_owned();
    format!("{} {} @{}", text(pod), text(container), text(party.node))
}

fn check(directory: &Directory, side: PartyKey, expected: &str) {
    assert_eq!(named(directory, side), expected, "{side:?}");
}

#[test]
fn a_reused_address_is_looked_up_as_of_the_time() {
    let mut directory = directory([Fact::Pod(pod("a", "10.244.1.2", 10))]);
    directory.apply(Fact::PodGone {
        uid: "a".into(),
        at_ns: 20 * SECOND,
    });
    directory.apply(Fact::Pod(pod("b", "10.244.1.2", 23)));
    for (at_s, expected) in [
        (10, "pod-a - @node-1"),
        (19, "pod-a - @node-1"),
        // The first pod is gone, and the second starts more than two seconds later.
        (20, "- - @-"),
        // Within two seconds before the start.
        (22, "pod-b - @node-1"),
        (30, "pod-b - @node-1"),
    ] {
        check(&directory, at("10.244.1.2:8080", at_s), expected);
    }
}

#[test]
fn the_first_process_is_the_start_rather_than_the_api_s_time() {
    // Pod b starts at 12 by the API, and at 14 by its first process.
    let mut directory = directory([
        Fact::Pod(pod("a", "10.244.1.2", 1)),
        Fact::Sandbox(sandbox("a", "10.244.1.2", 2)),
        Fact::Pod(pod("b", "10.244.1.2", 12)),
        Fact::Sandbox(sandbox("b", "10.244.1.2", 14)),
    ]);
    check(&directory, at("10.244.1.2:8080", 13), "pod-a - @node-1");
    check(&directory, at("10.244.1.2:8080", 14), "pod-b - @node-1");
    // The cgroup of b is removed before its object.
    directory.apply(Fact::SandboxGone {
        pod_uid: "b".into(),
        at_ns: 20 * SECOND,
    });
    check(&directory, at("10.244.1.2:8080", 19), "pod-b - @node-1");
    check(&directory, at("10.244.1.2:8080", 21), "pod-a - @node-1");
    // The object of a is deleted while its processes run.
    directory.apply(Fact::PodGone {
        uid: "a".into(),
        at_ns: 22 * SECOND,
    });
    check(&directory, at("10.244.1.2:8080", 23), "pod-a - @node-1");
}

#[test]
fn a_completed_pod_gives_up_its_address() {
    let completed = PodFact {
        until_ns: Some(20 * SECOND),
        ..pod("job", "10.244.1.2", 10)
    };
    let mut directory = directory([Fact::Pod(completed)]);
    check(&directory, at("10.244.1.2:1", 19), "pod-job - @node-1");
    check(&directory, at("10.244.1.2:1", 20), "- - @-");
    directory.apply(Fact::Pod(pod("next", "10.244.1.2", 21)));
    check(&directory, at("10.244.1.2:1", 21), "pod-next - @node-1");
}

#[test]
fn the_cgroup_of_a_socket_identifies_pods_with_one_address() {
    let mut directory = directory([
        Fact::Pod(host_pod("a", 9100)),
        Fact::Pod(host_pod("b", 9200)),
        cgroup(77, "a"),
        cgroup(78, "b"),
    ]);
    let client = |cgroup| PartyKey {
        cgroup,
        listens: false,
        ..at("172.18.0.2:40000", 5)
    };
    check(&directory, client(77), "pod-a main @node-1");
    check(&directory, client(78), "pod-b main @node-1");
    // A process of the node, or an unknown one.
    check(&directory, client(79), "- - @node-1");
    // Without a cgroup the port counts, where a pod declares to listen on it.
    check(&directory, at("172.18.0.2:9100", 5), "pod-a - @node-1");
    check(&directory, at("172.18.0.2:10250", 5), "- - @node-1");
    // A cgroup is kept beyond its end, and its id is never reused.
    directory.apply(Fact::CgroupGone {
        id: 77,
        at_ns: 6 * SECOND,
    });
    check(&directory, client(77), "pod-a main @node-1");
}

#[test]
fn a_side_is_resolved_once_its_names_are_known() {
    let side = PartyKey {
        cgroup: 77,
        ..at("10.244.1.2:8080", 5)
    };
    // Without facts about this node there is nothing to wait for.
    assert!(Directory::default().is_resolved(&side));
    let mut directory = directory([]);
    assert!(directory.is_resolved(&PartyKey { cgroup: 0, ..side }));
    assert!(!directory.is_resolved(&side));
    directory.apply(cgroup(77, "a"));
    // Without the API the uid is all that will be known.
    assert!(directory.is_resolved(&side));
    directory.apply(Fact::Listed {
        kind: Kind::Pod,
        at_ns: 0,
    });
    assert!(!directory.is_resolved(&side));
    directory.apply(Fact::Pod(pod("a", "10.244.1.2", 1)));
    assert!(directory.is_resolved(&side));
    // A process of the node.
    let unnamed = PartyKey { cgroup: 78, ..side };
    assert!(!directory.is_resolved(&unnamed));
    directory.stop_waiting_for(&unnamed);
    assert!(directory.is_resolved(&unnamed));
}

#[test]
fn without_the_api_cgroups_and_namespaces_give_uid_and_container() {
    let directory = directory([
        cgroup(77, "a"),
        Fact::Sandbox(sandbox("a", "10.244.1.2", 10)),
    ]);
    let side = at("10.244.1.2:8080", 11);
    check(
        &directory,
        PartyKey { cgroup: 77, ..side },
        "a container-a @node-1",
    );
    let netns = 4_026_532_000;
    check(
        &directory,
        PartyKey {
            netns,
            ..at("127.0.0.1:80", 11)
        },
        "a - @node-1",
    );
    check(&directory, side, "a - @node-1");
}

#[test]
fn a_static_pod_has_another_uid_in_its_cgroup() {
    let directory = directory([
        cgroup(77, "digest"),
        Fact::Pod(PodFact {
            cgroup_uid: Some("digest".into()),
            containers: vec![ContainerFact {
                id: "container-digest".into(),
                name: "apiserver".into(),
            }],
            ..host_pod("mirror", 6443)
        }),
    ]);
    let side = PartyKey {
        cgroup: 77,
        ..at("172.18.0.2:6443", 5)
    };
    check(&directory, side, "pod-mirror apiserver @node-1");
}

#[test]
fn pods_of_other_nodes_are_known_by_their_endpoints() {
    let mut directory = directory([Fact::Endpoints(slice("web", 0, &[("far", "10.244.2.9")]))]);
    check(&directory, at("10.244.2.9:8080", 5), "pod-far - @node-2");
    // The same as a client.
    check(&directory, at("10.244.2.9:40000", 5), "pod-far - @node-2");
    directory.apply(Fact::Endpoints(slice("web", 10, &[("new", "10.244.2.9")])));
    check(&directory, at("10.244.2.9:8080", 9), "pod-far - @node-2");
    check(&directory, at("10.244.2.9:8080", 10), "pod-new - @node-2");
    directory.apply(Fact::EndpointsGone {
        slice: object("web"),
        at_ns: 20 * SECOND,
    });
    check(&directory, at("10.244.2.9:8080", 20), "- - @-");
}

#[test]
fn a_pod_of_two_services_is_known_until_the_last_is_gone() {
    let mut directory = directory([
        Fact::Endpoints(slice("web", 0, &[("far", "10.244.2.9")])),
        Fact::Endpoints(slice("web-headless", 0, &[("far", "10.244.2.9")])),
    ]);
    for (gone, at_s, after) in [
        ("web", 10, "pod-far - @node-2"),
        ("web-headless", 20, "- - @-"),
    ] {
        directory.apply(Fact::EndpointsGone {
            slice: object(gone),
            at_ns: at_s * SECOND,
        });
        check(&directory, at("10.244.2.9:8080", at_s + 1), after);
    }
    directory.prune(2_000 * SECOND);
    assert_eq!(directory.stats(), DirectoryStats::default());
}

#[test]
fn two_pods_with_one_address_are_identified_by_port_only() {
    let mut other = slice("exporter", 0, &[("exporter", "172.18.0.3")]);
    other.ports = vec![9100];
    let directory = directory([
        Fact::Endpoints(slice("web", 0, &[("web", "172.18.0.3")])),
        Fact::Endpoints(other),
    ]);
    check(&directory, at("172.18.0.3:8080", 5), "pod-web - @node-2");
    check(
        &directory,
        at("172.18.0.3:9100", 5),
        "pod-exporter - @node-2",
    );
    let client = PartyKey {
        listens: false,
        ..at("172.18.0.3:9100", 5)
    };
    check(&directory, client, "- - @-");
}

mod lifetimes;
mod services;
