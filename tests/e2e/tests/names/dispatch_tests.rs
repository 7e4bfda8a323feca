//! A dispatch of the application, with and without a Kubernetes API.

use std::collections::HashMap;

use hopspan_apiserver::object::{self, Endpoint};
use hopspan_e2e::{Exchange, Fixture, Outcome, Trace};
use hopspan_lab::{Pod, hotrod::NAMESPACE};

use super::fixture::{ClusterFixture, NODE, side};

/// Name, ClusterIP and port of each service.
const SERVICES: [(&str, &str, u16); 4] = [
    ("frontend", "10.96.0.10", 8080),
    ("customer", "10.96.0.11", 8081),
    ("driver", "10.96.0.12", 8082),
    ("route", "10.96.0.13", 8083),
];
/// Exchanges of one dispatch.
const EXCHANGES: usize = 13;

/// `route` of `route-1`.
fn role(pod: &Pod) -> &str {
    pod.name().rsplit_once('-').unwrap().0
}

fn fill(cluster: &ClusterFixture, pods: &[Pod]) {
    for pod in pods {
        match role(pod) {
            "client" => cluster.pod(pod, pod.ip().into(), ("Job", "client-29401234"), None),
            role => cluster.deployed(pod, role, pod.ip().into()),
        }
    }
    for (service, cluster_ip, port) in SERVICES {
        let endpoints: Vec<Endpoint<'_>> = pods
            .iter()
            .filter(|pod| role(pod) == service)
            .map(|pod| Endpoint {
                ip: pod.ip().into(),
                pod: pod.name(),
                uid: pod.uid(),
                node: NODE,
            })
            .collect();
        let store = &cluster.store;
        store.apply(object::service(NAMESPACE, service, cluster_ip, &[port]));
        store.apply(object::endpoint_slice(NAMESPACE, service, port, &endpoints));
    }
}

/// All exchanges.
fn exchanges(outcome: &Outcome) -> Vec<Exchange<'_>> {
    let traces = outcome.traces.0.values();
    traces.flat_map(Trace::exchanges).collect()
}

fn by_ip(pods: &[Pod]) -> HashMap<String, &Pod> {
    let of_pod = |pod| (Pod::ip(pod).to_string(), pod);
    pods.iter().map(of_pod).collect()
}

#[test]
fn every_exchange_names_pod_workload_and_service() {
    if hopspan_lab::skip("every_exchange_names_pod_workload_and_service") {
        return;
    }
    let mut cluster = ClusterFixture::start("names");
    let hotrod = cluster.fixture.hotrod().unwrap();
    let pods = hotrod.pods();
    fill(&cluster, &pods);
    cluster.settle();
    hotrod.dispatch(3, 1).unwrap();
    hotrod.stop().unwrap();
    let store = std::sync::Arc::clone(&cluster.store);
    let outcome = cluster.finish();
    outcome.report().assert_nothing_lost();
    let exchanges = exchanges(&outcome);
    assert_eq!(exchanges.len(), 3 * EXCHANGES);
    let pods = by_ip(&pods);
    let expected = |pod: &Pod| {
        let workload = match role(pod) {
            "client" => "cronjob=client".to_owned(),
            role => format!("deployment={role}"),
        };
        format!("{NAMESPACE}/{} {workload} main @{NODE}", pod.name())
    };
    for exchange in exchanges {
        let source = pods[exchange.attribute("source.address")];
        let destination = pods[exchange.attribute("destination.address")];
        let paths = ["connect", "request", "response"].map(|role| exchange.paths(role));
        for span in paths.into_iter().flatten() {
            assert_eq!(side(span, "source"), expected(source), "{span:?}");
            assert_eq!(side(span, "destination"), expected(destination), "{span:?}");
            assert_eq!(span.attribute("hopspan.source.k8s.pod.uid"), source.uid());
            let uid = span.attribute("hopspan.destination.k8s.pod.uid");
            assert_eq!(uid, destination.uid());
            assert_eq!(span.attribute("k8s.service.name"), role(destination));
        }
    }
    let lists = store.requests().lists;
    assert!(lists.values().all(|lists| *lists == 1), "{lists:?}");
    let report = &outcome.report();
    assert_eq!(
        report.number(&["kubernetes", "watches", "pod", "objects"]),
        7
    );
}

/// Pod uids and containers come from the cgroups, services from kube-proxy's rules.
#[test]
fn without_an_api_names_come_from_cgroups_and_rules() {
    if hopspan_lab::skip("without_an_api_names_come_from_cgroups_and_rules") {
        return;
    }
    let mut fixture = Fixture::start_with("names-none", &["--no-kubernetes"]).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    let pods = hotrod.pods();
    hotrod.dispatch(1, 1).unwrap();
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let exchanges = exchanges(&outcome);
    assert_eq!(exchanges.len(), EXCHANGES);
    let pods = by_ip(&pods);
    for exchange in exchanges {
        for which in ["source", "destination"] {
            let pod = pods[exchange.attribute(&format!("{which}.address"))];
            let text = |name: &str| exchange.attribute(&format!("hopspan.{which}.{name}"));
            assert_eq!(text("k8s.pod.uid"), pod.uid(), "{exchange:?}");
            assert_eq!(text("container.id"), pod.container_id());
            assert_eq!(text("k8s.node.name"), NODE);
            assert_eq!(text("k8s.pod.name"), "");
        }
        let destination = pods[exchange.attribute("destination.address")];
        assert_eq!(exchange.attribute("k8s.service.name"), role(destination));
        let namespace = exchange.attribute("hopspan.destination.k8s.namespace.name");
        assert_eq!(namespace, NAMESPACE);
    }
}
