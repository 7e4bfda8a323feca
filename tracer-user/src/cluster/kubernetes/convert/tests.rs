//! Facts of valid and of invalid objects.

use serde_json::{Value, json};
use tracer_pipeline::decode::fact::WorkloadKind;

use super::*;
use crate::cluster::kubernetes::object::Watched;

const SECOND: u64 = 1_000_000_000;
/// 2026-11-22T12:00:00Z, at 1,000 s of the kernel's clock.
const NOW: Received = Received {
    clock: ClockSample {
        monotonic_ns: 1_000 * SECOND,
        realtime_ns: 1_795_348_800 * SECOND,
        uncertainty_ns: 0,
    },
    first_list: false,
};
const LISTED: Received = Received {
    first_list: true,
    ..NOW
};

fn read<T: ToFact>(object: Value) -> T {
    serde_json::from_value::<Watched<T>>(object).unwrap().object
}

fn pod(received: Received, object: Value) -> PodFact {
    match read::<Pod>(object).applied(received) {
        Fact::Pod(pod) => pod,
        other => panic!("{other:?}"),
    }
}

fn running(started_at: &str) -> Value {
    json!({
        "metadata": {
            "namespace": "shop", "name": "web-5d4f8c7b9d-x2x4v", "uid": "a", "resourceVersion": "7",
            "labels": {"pod-template-hash": "5d4f8c7b9d", "other": "label"},
            "ownerReferences": [
                {"kind": "Other", "name": "other"},
                {"kind": "ReplicaSet", "name": "web-5d4f8c7b9d", "controller": true},
            ],
        },
        "spec": {"nodeName": "node-1", "containers": [
            {"ports": [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]},
        ]},
        "status": {
            "phase": "Running",
            "startTime": "2026-11-22T11:50:00Z",
            "podIP": "10.244.1.2",
            "podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}],
            "hostIP": "172.18.0.2",
            "containerStatuses": [{
                "name": "main",
                "containerID": "containerd://after",
                "state": {"running": {"startedAt": started_at}},
                "lastState": {"terminated": {
                    "containerID": "containerd://before",
                    "startedAt": "2026-11-22T11:59:10Z",
                    "finishedAt": "2026-11-22T11:59:20Z",
                }},
            }],
        },
    })
}

#[test]
fn a_running_pod() {
    let fact = pod(NOW, running("2026-11-22T11:59:30Z"));
    assert_eq!(fact.addresses, ips_of(&["10.244.1.2", "fd00::2"]));
    assert_eq!(fact.node_addresses, ips_of(&["172.18.0.2"]));
    assert_eq!(fact.node.as_deref(), Some("node-1"));
    let workload = fact.workload.unwrap();
    assert_eq!(
        (workload.kind, &*workload.name),
        (WorkloadKind::Deployment, "web")
    );
    let containers: Vec<_> = fact
        .containers
        .iter()
        .map(|container| (&*container.id, &*container.name))
        .collect();
    assert_eq!(containers, [("before", "main"), ("after", "main")]);
    // The first start, not the restart.
    assert_eq!(fact.from_ns, 950 * SECOND);
    assert_eq!(fact.until_ns, None);
    assert!(fact.host_ports.is_empty());
}

fn ips_of(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_host_network_pod_has_host_ports() {
    let mut object = running("2026-11-22T11:59:30Z");
    object["spec"]["hostNetwork"] = json!(true);
    assert_eq!(pod(NOW, object).host_ports, [8080]);
}

#[test]
fn a_pod_has_its_address_since_its_first_container_or_since_now() {
    let check = |received, change: fn(&mut Value), expected_s: u64| {
        let mut object = running("2026-11-22T11:59:30Z");
        change(&mut object);
        assert_eq!(pod(received, object).from_ns, expected_s * SECOND);
    };
    let waiting: fn(&mut Value) = |object| object["status"]["containerStatuses"] = Value::Null;
    check(NOW, waiting, 1_000);
    check(LISTED, waiting, 400);
    check(
        LISTED,
        |object| object["status"] = json!({"podIP": "10.244.1.2"}),
        0,
    );
    // A clock that is ahead: the time of receipt.
    let ahead: fn(&mut Value) = |object| {
        object["status"]["containerStatuses"][0] =
            json!({"state": {"running": {"startedAt": "2026-11-22T12:00:30Z"}}});
    };
    check(NOW, ahead, 1_000);
    check(
        NOW,
        |object| {
            object["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] =
                json!("yesterday");
        },
        950,
    );
}

#[test]
fn a_completed_pod_ends_with_its_last_container() {
    let mut object = running("2026-11-22T11:59:30Z");
    object["status"]["phase"] = json!("Succeeded");
    object["status"]["containerStatuses"][0]["state"] = json!({"terminated": {
        "startedAt": "2026-11-22T11:59:30Z", "finishedAt": "2026-11-22T11:59:50Z",
    }});
    // Including the truncated second.
    assert_eq!(pod(NOW, object.clone()).until_ns, Some(991 * SECOND));
    object["status"]["containerStatuses"] = json!([]);
    assert_eq!(pod(NOW, object).until_ns, Some(1_000 * SECOND));
}

#[test]
fn a_static_pod_has_the_kubelets_uid() {
    let mut object = running("2026-11-22T11:59:30Z");
    object["metadata"]["annotations"] =
        json!({"kubernetes.io/config.hash": "digest", "other": "x"});
    assert_eq!(pod(NOW, object).cgroup_uid.as_deref(), Some("digest"));
}

#[test]
fn an_endpoint_slice() {
    let object = json!({
        "metadata": {
            "namespace": "shop", "name": "web-x2x4v", "resourceVersion": "7",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.244.2.9"], "nodeName": "node-2",
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-5d4f8c7b9d-x2x4v", "uid": "b"},
            },
            {"addresses": ["192.0.2.1", "no address"]},
            {"addresses": null, "targetRef": {"kind": "Node", "name": "n", "uid": "n"}},
        ],
        "ports": [
            {"port": 8080},
            {"port": 53, "protocol": "UDP"},
            {"port": 70_000},
            {"port": null, "protocol": "TCP"},
        ],
    });
    for (received, from_ns) in [(NOW, 1_000 * SECOND), (LISTED, 0)] {
        let Fact::Endpoints(fact) = read::<EndpointSlice>(object.clone()).applied(received) else {
            panic!("another fact");
        };
        assert_eq!(fact.service.as_deref(), Some("web"));
        assert_eq!(fact.ports, [8080]);
        assert_eq!(fact.from_ns, from_ns);
        let [pod, outside, node] = &fact.endpoints[..] else {
            panic!("{:?}", fact.endpoints);
        };
        assert_eq!(pod.pod.as_ref().unwrap().0, "b");
        assert_eq!(pod.workload.as_ref().unwrap().name, "web");
        assert_eq!(outside.addresses, ips_of(&["192.0.2.1"]));
        assert!(outside.pod.is_none() && node.pod.is_none());
    }
}

fn service(spec: Value, status: Value) -> ServiceFact {
    let metadata = json!({"namespace": "shop", "name": "web", "resourceVersion": "7"});
    let object = json!({"metadata": metadata, "spec": spec, "status": status});
    match read::<Service>(object).applied(LISTED) {
        Fact::Service(service) => service,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_with_every_kind_of_address() {
    let fact = service(
        json!({
            "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10", "fd00:96::10"],
            "externalIPs": ["192.0.2.7"],
            "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}],
        }),
        json!({"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}, {"hostname": "lb.example.com"}]}}),
    );
    let addresses = ["10.96.0.10", "fd00:96::10", "192.0.2.7", "198.51.100.1"];
    assert_eq!(fact.addresses, ips_of(&addresses));
    assert_eq!((fact.ports, fact.node_ports), (vec![80], vec![30080]));
    assert!(!fact.headless);
}

#[test]
fn services_without_an_address() {
    let headless = service(
        json!({"clusterIP": "None", "clusterIPs": ["None"]}),
        json!({}),
    );
    assert!(headless.headless && headless.addresses.is_empty());
    let external = service(json!({"type": "ExternalName"}), Value::Null);
    assert!(!external.headless && external.addresses.is_empty());
}

#[test]
fn empty_objects_are_converted() {
    for object in [
        json!({}),
        json!({"metadata": null, "spec": null, "status": null}),
        json!({"endpoints": null, "ports": null}),
    ] {
        let _ = read::<Pod>(object.clone()).applied(NOW);
        let _ = read::<EndpointSlice>(object.clone()).applied(NOW);
        let _ = read::<Service>(object).applied(NOW);
    }
}
