//! The services and networks behind the dumps in testdata, which a real kube-proxy wrote.

use std::time::Duration;

use hopspan_lab::kube_proxy::{Network, Networks, Protocol, Service, TrafficPolicy};

const WEB: [&str; 2] = ["10.201.1.11:8080", "10.201.1.12:8080"];
const DNS: [&str; 2] = ["10.201.1.11:5353", "10.201.1.12:5353"];

/// The networks that its kube-proxy was configured with.
pub(crate) fn networks() -> Networks {
    let network = |text: &str| -> Network { text.parse().unwrap() };
    Networks {
        pods: network("10.201.0.0/16"),
        node_pods: network("10.201.1.0/24"),
        node: "172.18.0.2".parse().unwrap(),
        services: network("10.97.0.0/16"),
        masquerade_all: false,
    }
}

pub(crate) fn service(name: &str, address: &str, endpoints: &[&str]) -> Service {
    Service {
        endpoints: endpoints
            .iter()
            .map(|endpoint| endpoint.parse().unwrap())
            .collect(),
        ..Service::new("default", name, address.parse().unwrap())
    }
}

fn named(port_name: &str, service: Service) -> Service {
    Service {
        port_name: Some(port_name.into()),
        ..service
    }
}

/// All of the dumps' services.
pub(crate) fn services() -> Vec<Service> {
    vec![
        named("https", service("kubernetes", "10.97.0.1:443", &[])),
        service("web-empty", "10.97.10.40:80", &[]),
        Service {
            protocol: Protocol::Udp,
            ..named("udp", service("web-manual", "10.97.10.10:53", &DNS))
        },
        named("http", service("web-manual", "10.97.10.10:80", &WEB)),
        Service {
            node_port: Some(30080),
            ..named("http", service("web-sel", "10.97.10.20:80", &WEB))
        },
        Service {
            session_affinity: Some(Duration::from_secs(60)),
            ..service("web-sticky", "10.97.10.30:80", &WEB)
        },
        Service {
            external_traffic_policy: TrafficPolicy::Local,
            node_port: Some(30081),
            external_ips: vec!["10.250.0.1".parse().unwrap()],
            load_balancer_ips: vec!["10.250.0.2".parse().unwrap()],
            health_check_node_port: Some(31934),
            ..service("web-lb", "10.97.10.50:80", &WEB)
        },
    ]
}
