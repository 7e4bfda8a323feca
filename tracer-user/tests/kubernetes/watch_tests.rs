//! What is learnt, and with how few lists, also when watches are cut and versions expire.

use std::time::Duration;

use hopspan_apiserver::{Faults, Gone, Resource, object};
use tracer_user::cluster::kubernetes::Scope;

use crate::cluster::{Cluster, NODE, named, pod, service, shop};

#[test]
fn pods_of_this_node_endpoints_and_services_are_known() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
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
fn with_the_whole_cluster_pods_behind_no_service_are_known_too() {
    let mut cluster = Cluster::start(shop(), Scope::Cluster);
    cluster.synced();
    assert_eq!(
        named(&cluster.who, "10.244.2.3").as_deref(),
        Some("hidden-0")
    );
}

#[test]
fn changes_come_as_they_happen() {
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

/// Connections are cut again and again: each watch goes on where it was, and nothing is listed again.
#[test]
fn a_cut_watch_goes_on_where_it_was() {
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
    cluster.store.cut();
    // Nobody is told of these.
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
fn a_version_that_is_gone_by_event_is_listed_anew() {
    check_expiry(Gone::Event);
}

#[test]
fn a_version_that_is_gone_by_status_is_listed_anew() {
    check_expiry(Gone::Status);
}

/// Bookmarks move a quiet kind's version on, so that it need not be listed again when the history of
/// the others is cut off.
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
