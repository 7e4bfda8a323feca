//! Lookups of services by each of their addresses.

use super::*;

pub(super) fn service(name: &str, address: &str) -> ServiceFact {
    ServiceFact {
        service: object(name),
        addresses: vec![ip(address)],
        ports: vec![80],
        node_ports: vec![30080],
        ..ServiceFact::default()
    }
}

pub(super) fn check_service(directory: &Directory, asked: &str, at_s: u64, expected: Option<&str>) {
    let service = directory.service(asked.parse().unwrap(), at_s * SECOND);
    assert_eq!(service.map(|service| &*service.name), expected, "{asked}");
}

#[test]
fn services_are_found_by_every_address_they_have() {
    let mut directory = directory([
        Fact::Service(service("web", "10.96.0.10")),
        Fact::Service(ServiceFact {
            service: object("db"),
            headless: true,
            ..ServiceFact::default()
        }),
        Fact::Endpoints(slice("db", 0, &[("db-0", "10.244.2.9")])),
        Fact::Endpoints(slice("web", 0, &[("web-0", "10.244.2.10")])),
    ]);
    check_service(&directory, "10.96.0.10:80", 5, Some("web"));
    check_service(&directory, "10.96.0.10:81", 5, None);
    check_service(&directory, "[::ffff:10.96.0.10]:80", 5, Some("web"));
    check_service(&directory, "172.18.0.2:30080", 5, Some("web"));
    check_service(&directory, "10.244.2.9:30080", 5, None);
    // DNS resolves a headless service to its pods' addresses; `web` is not headless.
    check_service(&directory, "10.244.2.9:8080", 5, Some("db"));
    check_service(&directory, "10.244.2.10:8080", 5, None);
    // The address is reused by another service.
    directory.apply(Fact::ServiceGone {
        service: object("web"),
        at_ns: 10 * SECOND,
    });
    directory.apply(Fact::Service(ServiceFact {
        from_ns: 12 * SECOND,
        ..service("shop", "10.96.0.10")
    }));
    check_service(&directory, "10.96.0.10:80", 9, Some("web"));
    check_service(&directory, "10.96.0.10:80", 12, Some("shop"));
}

#[test]
fn a_service_that_changes_keeps_its_beginning() {
    let changed = ServiceFact {
        from_ns: 50 * SECOND,
        ports: vec![80, 443],
        ..service("web", "10.96.0.10")
    };
    let directory = directory([
        Fact::Service(service("web", "10.96.0.10")),
        Fact::Service(changed),
    ]);
    check_service(&directory, "10.96.0.10:80", 5, Some("web"));
    check_service(&directory, "10.96.0.10:443", 5, None);
    check_service(&directory, "10.96.0.10:443", 50, Some("web"));
}
