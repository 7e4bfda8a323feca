//! The facts of the watches, and the number of lists, also when watches are cut and versions
//! expire.

use std::time::Duration;

use hopspan_apiserver::{Faults, Gone, Resource, object};
use tracer_user::cluster::kubernetes::Scope;

use crate::cluster::{Cluster, NODE, named, pod, service, shop};

#[test]
fn pods_of_this_node_endpoints_and_services_are_known() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    cluster.until_served();
    let who = &cluster.who;
    assert_eq!(named(who, "10.244.1.2").as_deref(), Some("web-0"));
    assert_eq!(named(who, "10.244.2.2").as_deref(), Some("far-0"));
    assert_eq!(named(who, "10.244.2.3"), None);
    assert_eq!(service(who, "10.96.0.10:80").as_deref(), Some("web"));
    let state = cluster.watches.state.snapshot();
    let objects: Vec<usize> = state.watches.values().map(|watch| watch.objects).collect();
    assert_eq!(objects, [1, 1, 1]);
    // One list of each kind, from the cache, and of the node's pods only.
    assert_eq!(cluster.lists(), [1, 1, 1]);
    let requests = cluster.requests();
    let pods = requests
        .queries
        .iter()
        .filter(|query| query.contains("fieldSelector"));
    assert_eq!(pods.count(), 2, "{:?}", requests.queries);
    for query in &requests.queries {
        let is_watch = query.contains("watch=true");
        assert_eq!(
            query.contains("allowWatchBookmarks=true"),
            is_watch,
            "{query}"
        );
        assert!(is_watch || query.contains("resourceVersion=0"), "{query}");
    }
}

#[test]
fn with_scope_cluster_pods_behind_no_service_are_known() {
    let mut cluster = Cluster::start(shop(), Scope::Cluster);
    cluster.synced();
    assert_eq!(
        named(&cluster.who, "10.244.2.3").as_deref(),
        Some("hidden-0")
    );
}

#[test]
fn changes_arrive_as_they_happen() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    cluster.store.apply(pod("web-1", NODE, "10.244.1.3"));
    cluster.until("web-1 known", |who, _| named(who, "10.244.1.3").is_some());
    cluster.store.delete(Resource::Pods, "shop", "web-1");
    cluster.until("web-1 gone", |who, _| named(who, "10.244.1.3").is_none());
    cluster.store.delete(Resource::Services, "shop", "web");
    cluster.until("web gone", |who, _| service(who, "10.96.0.10:80").is_none());
    assert_eq!(cluster.lists(), [1, 1, 1]);
}

/// Connections are cut repeatedly: each watch continues at its version, and nothing is listed
/// again.
#[test]
fn a_cut_watch_continues_at_its_version() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    for cut in 0..3 {
        cluster.cut();
        let (name, ip) = (format!("web-{}", cut + 1), format!("10.244.1.{}", cut + 3));
        cluster.store.apply(pod(&name, NODE, &ip));
        cluster.until("caught up", |who, state| {
            named(who, &ip).as_deref() == Some(&name) && state.is_connected()
        });
    }
    assert_eq!(cluster.lists(), [1, 1, 1]);
    let state = cluster.watches.state.snapshot();
    for watch in state.watches.values() {
        assert!(watch.watches >= 4, "{watch:?}");
    }
}

fn check_expiry(gone: Gone) {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.store.set_faults(Faults {
        gone,
        ..Faults::default()
    });
    cluster.synced();
    cluster.until_served();
    cluster.store.cut();
    // No watch receives these changes.
    cluster.store.delete(Resource::Pods, "shop", "web-0");
    cluster.store.delete(Resource::Services, "shop", "web");
    cluster
        .store
        .delete(Resource::EndpointSlices, "shop", "far-x2x4v");
    cluster.store.apply(pod("web-1", NODE, "10.244.1.3"));
    cluster
        .store
        .apply(object::service("shop", "next", "10.96.0.11", &[80]));
    cluster.store.expire();
    cluster.until("caught up", |who, state| {
        named(who, "10.244.1.3").is_some()
            && service(who, "10.96.0.11:80").is_some()
            && named(who, "10.244.2.2").is_none()
            && state.is_connected()
    });
    assert_eq!(named(&cluster.who, "10.244.1.2"), None);
    assert_eq!(service(&cluster.who, "10.96.0.10:80"), None);
    // A second list of each kind, and no third.
    assert_eq!(cluster.requests().gone, 3);
    assert_eq!(cluster.lists(), [2, 2, 2]);
    cluster.store.apply(pod("web-2", NODE, "10.244.1.4"));
    cluster.until("web-2 known", |who, _| named(who, "10.244.1.4").is_some());
    assert_eq!(cluster.lists(), [2, 2, 2]);
}

#[test]
fn an_expired_version_in_an_event_is_listed_again() {
    check_expiry(Gone::Event);
}

#[test]
fn an_expired_version_in_a_status_is_listed_again() {
    check_expiry(Gone::Status);
}

/// Bookmarks advance the version of a quiet kind, so that the kind is not listed again when the API
/// server drops the history of the others.
#[test]
fn bookmarks_spare_a_list() {
    let store = shop();
    store.set_faults(Faults {
        bookmark_every: Duration::from_millis(20),
        ..Faults::default()
    });
    let mut cluster = Cluster::start(store, Scope::Node);
    cluster.synced();
    for port in 81..100 {
        let changed = object::service("shop", "web", "10.96.0.10", &[port]);
        cluster.store.apply(changed);
    }
    cluster.until("99 known", |who, _| service(who, "10.96.0.10:99").is_some());
    std::thread::sleep(Duration::from_millis(300));
    cluster.store.expire();
    cluster.cut();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(cluster.lists(), [1, 1, 1]);
    assert_eq!(cluster.requests().gone, 0);
}
