//! Watches of an API server that is away, refuses requests, cuts connections, or floods.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use hopspan_apiserver::{Faults, Resource, Server, Store, object};
use tracer_user::cluster::kubernetes::Scope;

use crate::cluster::{Cluster, DEADLINE, NODE, named, pod, shop};

/// The server goes away, and its successor has none of the old versions.
#[test]
fn an_api_that_was_away_is_listed_again() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    cluster.stop();
    cluster.until("away", |_, state| {
        state.away().is_some_and(|(_, error)| error.is_some())
    });
    // Known names stay known.
    assert_eq!(named(&cluster.who, "10.244.1.2").as_deref(), Some("web-0"));
    std::thread::sleep(Duration::from_secs(3));
    let state = cluster.watches.state.snapshot();
    for watch in state.watches.values() {
        assert!(watch.errors < 10, "no back-off: {watch:?}");
    }
    let store = Store::from_version(1_000);
    store.apply(pod("web-1", NODE, "10.244.1.3"));
    store.apply(object::service("shop", "web", "10.96.0.10", &[80]));
    cluster.restart(store);
    cluster.until("caught up", |who, state| {
        state.is_connected()
            && named(who, "10.244.1.3").is_some()
            && named(who, "10.244.1.2").is_none()
            && named(who, "10.244.2.2").is_none()
    });
    assert!(cluster.watches.state.snapshot().away().is_none());
    assert!(
        cluster.lists().iter().all(|lists| *lists <= 2),
        "{:?}",
        cluster.lists()
    );
}

#[test]
fn an_api_that_comes_later_than_the_agent_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::start(listener, shop()).unwrap();
    let kubeconfig = server.kubeconfig();
    server.stop();
    let mut cluster = Cluster::watch(shop(), kubeconfig, address, None, Scope::Node);
    cluster.until("away", |_, state| {
        !state.is_synced() && state.watches.values().all(|watch| watch.errors > 0)
    });
    // The start of the agent does not wait for the API.
    let began = Instant::now();
    let settled = cluster.watches.state.settled(DEADLINE);
    cluster.runtime.block_on(settled);
    assert!(began.elapsed() < DEADLINE / 2);
    cluster.restart(shop());
    cluster.synced();
    assert_eq!(named(&cluster.who, "10.244.1.2").as_deref(), Some("web-0"));
}

/// A server, or a proxy before it, that ends every watch at once gets one watch request a second.
#[test]
fn a_server_that_cuts_every_watch_gets_few_requests() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        cluster.store.cut();
        std::thread::sleep(Duration::from_millis(1));
    }
    let state = cluster.watches.state.snapshot();
    for watch in state.watches.values() {
        let most = 4 + began.elapsed().as_secs();
        assert!((2..=most).contains(&watch.watches), "{watch:?}");
    }
    assert_eq!(cluster.lists(), [1, 1, 1]);
    cluster.store.apply(pod("web-1", NODE, "10.244.1.3"));
    cluster.until("web-1 known", |who, _| named(who, "10.244.1.3").is_some());
}

/// A server that refuses requests gets them at growing intervals.
#[test]
fn a_server_that_refuses_gets_few_requests() {
    let store = shop();
    store.set_faults(Faults {
        refuse: Some(403),
        ..Faults::default()
    });
    let mut cluster = Cluster::start(store, Scope::Node);
    cluster.until("away", |_, state| {
        state.watches.values().all(|watch| {
            watch
                .last_error
                .as_deref()
                .is_some_and(|error| error.contains("refused by the test"))
        })
    });
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(4));
    let state = cluster.watches.state.snapshot();
    for watch in state.watches.values() {
        let most = 3 + began.elapsed().as_secs();
        assert!(watch.lists <= most, "{} lists: {watch:?}", watch.lists);
    }
    cluster.store.set_faults(Faults::default());
    cluster.synced();
}

/// Changes come faster than the pipeline takes them: all arrive, in order, without another list.
#[test]
fn a_flood_of_changes_is_taken() {
    const PODS: u8 = 100;
    const CHANGES: u16 = 20_000;
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    for change in 0..CHANGES {
        let number = u8::try_from(change % u16::from(PODS)).unwrap();
        let ip = format!("10.244.3.{number}");
        if change / u16::from(PODS) % 2 == 0 {
            cluster
                .store
                .apply(pod(&format!("flood-{change}"), NODE, &ip));
        } else {
            let before = change - u16::from(PODS);
            let name = format!("flood-{before}");
            assert!(cluster.store.delete(Resource::Pods, "shop", &name));
        }
    }
    cluster.store.apply(pod("last-0", NODE, "10.244.4.1"));
    cluster.until("last known", |who, _| named(who, "10.244.4.1").is_some());
    for number in 0..PODS {
        assert_eq!(named(&cluster.who, &format!("10.244.3.{number}")), None);
    }
    assert_eq!(
        cluster
            .watches
            .state
            .snapshot()
            .watches
            .values()
            .next()
            .unwrap()
            .objects,
        2
    );
    assert_eq!(cluster.lists(), [1, 1, 1]);
}
