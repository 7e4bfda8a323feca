//! The deployment of HotROD, with a stand-in that has the application's command line and logs its
//! environment.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

use std::net::{Ipv4Addr, SocketAddr};

use hopspan_lab::Lab;
use hopspan_lab::hotrod::{HotRodOptions, deploy};

fn options(env: &[(&str, &str)]) -> HotRodOptions {
    let pairs = env.iter();
    HotRodOptions {
        env: pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..HotRodOptions::new(env!("CARGO_BIN_EXE_hotrod-stand-in"))
    }
}

#[test]
fn hotrod_is_deployed_called_and_stopped() {
    let Some(lab) = Lab::for_test("hotrod_is_deployed_called_and_stopped").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let mut hotrod = deploy(&node, &options(&[])).unwrap();

    let names: Vec<String> = hotrod
        .pods()
        .iter()
        .map(|pod| pod.name().to_owned())
        .collect();
    let expected = [
        "customer-0",
        "customer-1",
        "driver-0",
        "route-0",
        "route-1",
        "frontend-0",
        "client-0",
    ];
    assert_eq!(names, expected);
    let services: Vec<_> = hotrod
        .services()
        .iter()
        .map(|service| (service.service_port_name(), service.address()))
        .collect();
    let at = |host, port| SocketAddr::new(Ipv4Addr::new(10, 96, 0, host).into(), port);
    assert_eq!(
        services,
        [
            ("hotrod/customer:http".into(), at(11, 8081)),
            ("hotrod/driver:grpc".into(), at(12, 8082)),
            ("hotrod/route:http".into(), at(13, 8083)),
            ("hotrod/frontend:http".into(), at(10, 8080)),
        ]
    );
    for (pod, process) in hotrod.instances() {
        let log = process.log();
        let role = pod.name().split('-').next().unwrap();
        let lines = [
            format!("OTEL_SERVICE_NAME={role}"),
            format!(
                "OTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=hotrod,k8s.pod.name={},k8s.pod.uid={}",
                pod.name(),
                pod.uid()
            ),
            format!("POD_NAME={}", pod.name()),
            format!(
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://{}:4317",
                node.gateway_ip()
            ),
        ];
        for line in lines {
            assert!(
                log.contains(&line),
                "{line} not in the log of {}: {log}",
                pod.name()
            );
        }
    }

    // The stand-in's frontend answers 200 only when it could connect to every role through its
    // ClusterIP.
    let dispatches = hotrod.dispatch(6, 2).unwrap();
    assert_eq!(dispatches.len(), 6);
    assert!(
        dispatches
            .iter()
            .all(|dispatch| dispatch.status == 200 && dispatch.duration_ms > 0.0),
        "{dispatches:?}"
    );
    hotrod.stop().unwrap();
}

#[test]
fn an_instance_that_fails_is_named_with_its_log() {
    let Some(lab) = Lab::for_test("an_instance_that_fails_is_named_with_its_log").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let error = format!(
        "{:#}",
        deploy(&node, &options(&[("STAND_IN_FAILS", "driver")])).unwrap_err()
    );
    assert!(
        error.contains("hotrod.driver-0-hotrod-stand-in ended, exit status: 7"),
        "{error}"
    );
    assert!(error.contains("driver fails on purpose"), "{error}");
}

#[test]
fn an_instance_that_stops_with_an_error_is_named() {
    let Some(lab) = Lab::for_test("an_instance_that_stops_with_an_error_is_named").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let hotrod = deploy(&node, &options(&[("STAND_IN_STOPS_BADLY", "route")])).unwrap();
    let error = format!("{:#}", hotrod.stop().unwrap_err());
    assert!(
        error.contains("hotrod.route-0-") && error.contains("hotrod.route-1-"),
        "{error}"
    );
    assert!(!error.contains("customer"), "{error}");
}
