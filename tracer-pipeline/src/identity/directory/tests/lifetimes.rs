//! Lists of existing objects, ends, and removal.

use super::{
    services::{check_service, service},
    *,
};

#[test]
fn objects_missing_from_a_new_list_are_gone() {
    let mut directory = directory([
        Fact::Listing(Kind::Pod),
        Fact::Pod(pod("a", "10.244.1.2", 1)),
        Fact::Pod(pod("b", "10.244.1.3", 1)),
        Fact::Service(service("web", "10.96.0.10")),
        Fact::Endpoints(slice("web", 0, &[("far", "10.244.2.9")])),
        Fact::Listed {
            kind: Kind::Pod,
            at_ns: 2 * SECOND,
        },
    ]);
    for kind in [Kind::Pod, Kind::Service, Kind::Endpoints] {
        directory.apply(Fact::Listing(kind));
        // Nothing is gone before the list is complete.
        check(&directory, at("10.244.1.3:1", 20), "pod-b - @node-1");
        check_service(&directory, "10.96.0.10:80", 20, Some("web"));
        if kind == Kind::Pod {
            directory.apply(Fact::Pod(pod("b", "10.244.1.3", 1)));
        }
        directory.apply(Fact::Listed {
            kind,
            at_ns: 20 * SECOND,
        });
        if kind == Kind::Pod {
            check(&directory, at("10.244.1.2:1", 19), "pod-a - @node-1");
            check(&directory, at("10.244.1.2:1", 20), "- - @-");
            check(&directory, at("10.244.1.3:1", 20), "pod-b - @node-1");
            continue;
        }
        break;
    }
    directory.apply(Fact::Listing(Kind::Endpoints));
    directory.apply(Fact::Listed {
        kind: Kind::Endpoints,
        at_ns: 30 * SECOND,
    });
    check(&directory, at("10.244.2.9:8080", 30), "- - @-");
    check_service(&directory, "10.96.0.10:80", 30, None);
    check_service(&directory, "10.96.0.10:80", 19, Some("web"));
}

#[test]
fn ended_pods_are_removed_after_a_while() {
    let mut directory = directory([Fact::Pod(pod("a", "10.244.1.2", 1)), cgroup(77, "a")]);
    directory.apply(Fact::CgroupGone {
        id: 77,
        at_ns: 5 * SECOND,
    });
    directory.apply(Fact::PodGone {
        uid: "a".into(),
        at_ns: 5 * SECOND,
    });
    directory.prune(600 * SECOND);
    check(&directory, at("10.244.1.2:1", 4), "pod-a - @node-1");
    directory.prune(700 * SECOND);
    check(&directory, at("10.244.1.2:1", 4), "- - @-");
    assert_eq!(directory.stats(), DirectoryStats::default());
}

/// Likewise a pod of which only the cgroup is known.
#[test]
fn pods_without_the_api_are_removed() {
    let mut directory = directory([
        cgroup(77, "a"),
        Fact::Sandbox(sandbox("a", "10.244.1.2", 10)),
    ]);
    directory.apply(Fact::SandboxGone {
        pod_uid: "a".into(),
        at_ns: 20 * SECOND,
    });
    directory.prune(1_000 * SECOND);
    assert_eq!(directory.stats(), DirectoryStats::default());
}

proptest::proptest! {
    /// Facts in any order and with any times do not panic.
    #[test]
    fn any_order_of_facts_is_accepted(steps in proptest::collection::vec((0_u8..14, 0_usize..4, 0_u64..40), 0..60)) {
        let mut directory = Directory::default();
        for (step, which, at_s) in steps {
            let uid = ["a", "b", "c", ""][which];
            let address = ["10.244.1.2", "10.244.1.3", "172.18.0.2", "::1"][which];
            let at_ns = at_s * SECOND;
            directory.apply(match step {
                0 => Fact::Pod(pod(uid, address, at_s)),
                1 => Fact::PodGone { uid: uid.into(), at_ns },
                2 => cgroup(which as u64, uid),
                3 => Fact::CgroupGone { id: which as u64, at_ns },
                4 => Fact::Sandbox(sandbox(uid, address, at_s)),
                5 => Fact::SandboxGone { pod_uid: uid.into(), at_ns },
                6 => Fact::Endpoints(slice(uid, at_s, &[(uid, address), ("a", "10.244.1.3")])),
                7 => Fact::EndpointsGone { slice: object(uid), at_ns },
                8 => Fact::Service(service(uid, address)),
                9 => Fact::ServiceGone { service: object(uid), at_ns },
                10 => Fact::Listing(Kind::Pod),
                11 => Fact::Listed { kind: Kind::Pod, at_ns },
                12 => Fact::Pod(host_pod(uid, 80)),
                _ => Fact::Listed { kind: Kind::Endpoints, at_ns },
            });
            directory.prune(at_ns * 100);
            let _ = directory.party(&at(&format!("{}:80", if which == 3 { "[::1]" } else { address }), at_s));
            let _ = directory.service("10.244.1.3:8080".parse().unwrap(), at_ns);
        }
    }
}
