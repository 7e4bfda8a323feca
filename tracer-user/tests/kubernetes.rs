//! The watches against an API server that speaks the real protocol, goes away, forgets, and floods.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use hopspan_apiserver::{Faults, Gone, Requests, Resource, Server, Store, object};
use tokio::{runtime::Runtime, time::timeout};
use tracer_user::{
    capture::clock_sample,
    identity::{
        kubernetes::{self, ApiSnapshot, Scope, Watches},
        who::{Side, Who},
    },
};

const NODE: &str = "node-1";
const STARTED: &str = "2026-01-01T00:00:00Z";
/// The back-off is at most a few seconds in these tests, on a machine that may be compiling.
const DEADLINE: Duration = Duration::from_secs(60);

struct Cluster {
    runtime: Runtime,
    store: Arc<Store>,
    server: Option<Server>,
    address: SocketAddr,
    watches: Watches,
    who: Who,
}

fn pod(name: &str, node: &str, ip: &str) -> serde_json::Value {
    object::Pod {
        namespace: "shop",
        name,
        uid: &format!("uid-{name}"),
        node,
        node_ip: "172.18.0.2".parse().unwrap(),
        ip: ip.parse().unwrap(),
        host_network: false,
        owner: Some(("StatefulSet", "web")),
        template_hash: None,
        container: ("main", "0123"),
        port: 8080,
        started_at: STARTED,
    }
    .to_json()
}

fn slice(service: &str, pod: &str, ip: &str) -> serde_json::Value {
    let endpoint = object::Endpoint {
        ip: ip.parse().unwrap(),
        pod,
        uid: &format!("uid-{pod}"),
        node: "node-2",
    };
    object::endpoint_slice("shop", service, 8080, &[endpoint])
}

/// A pod here, one elsewhere behind a service, one elsewhere behind none.
fn shop() -> Arc<Store> {
    let store = Store::shared();
    store.apply(pod("web-0", NODE, "10.244.1.2"));
    store.apply(pod("far-0", "node-2", "10.244.2.2"));
    store.apply(pod("hidden-0", "node-2", "10.244.2.3"));
    store.apply(object::service("shop", "web", "10.96.0.10", &[80]));
    store.apply(slice("far", "far-0", "10.244.2.2"));
    store
}

impl Cluster {
    fn start(store: Arc<Store>, scope: Scope) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(listener, Arc::clone(&store)).unwrap();
        Self::watch(store, server.kubeconfig(), address, Some(server), scope)
    }

    fn watch(
        store: Arc<Store>,
        kubeconfig: String,
        address: SocketAddr,
        server: Option<Server>,
        scope: Scope,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        let watches = runtime.block_on(async {
            let config = kubernetes::find(Some(&path)).await.unwrap().unwrap();
            kubernetes::watch(config, NODE, scope).unwrap()
        });
        Self {
            runtime,
            store,
            server,
            address,
            watches,
            who: Who::default(),
        }
    }

    /// Learns until this holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Who, &ApiSnapshot) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let state = self.watches.state.snapshot();
            if holds(&self.who, &state) {
                return;
            }
            assert!(Instant::now() < deadline, "not {what}: {state:#?}");
            let facts = self.watches.facts.recv();
            let facts = self
                .runtime
                .block_on(async { timeout(Duration::from_millis(20), facts).await });
            for fact in facts.ok().flatten().unwrap_or_default() {
                self.who.learn(fact);
            }
        }
    }

    fn synced(&mut self) {
        self.until("synced", |who, state| {
            let watched = state.watches.values().all(|watch| watch.watches > 0);
            state.is_synced() && state.is_connected() && watched && who.known().services > 0
        });
    }

    /// Cuts every connection, and waits until each kind is watched anew.
    fn cut(&mut self) {
        let begun = |state: &ApiSnapshot| -> Vec<u64> {
            let watches = state.watches.values();
            watches.map(|watch| watch.watches).collect()
        };
        let before = begun(&self.watches.state.snapshot());
        self.store.cut();
        self.until("watched anew", |_, state| {
            begun(state)
                .iter()
                .zip(&before)
                .all(|(now, before)| now > before)
                && state.is_connected()
        });
    }

    fn requests(&self) -> Requests {
        self.store.requests()
    }

    fn lists(&self) -> Vec<u64> {
        let lists = self.requests().lists;
        Resource::ALL
            .iter()
            .map(|resource| lists.get(resource).copied().unwrap_or(0))
            .collect()
    }

    /// Ends the server.
    fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }

    /// Starts one on the same port.
    fn restart(&mut self, store: Arc<Store>) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.server = Some(Server::start(listener, Arc::clone(&store)).unwrap());
        self.store = store;
    }
}

fn named(who: &Who, address: &str) -> Option<String> {
    let side = Side {
        socket: format!("{address}:40000").parse().unwrap(),
        cgroup: 0,
        netns: 0,
        listens: false,
        at_ns: clock_sample().unwrap().monotonic_ns,
    };
    let pod = who.party(&side).pod?;
    Some(pod.name.as_ref()?.to_string())
}

fn service(who: &Who, asked: &str) -> Option<String> {
    let at_ns = clock_sample().unwrap().monotonic_ns;
    let service = who.service(asked.parse().unwrap(), at_ns)?;
    Some(service.name.to_string())
}

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

/// The server is away, and another one comes back that knows nothing of the old versions.
#[test]
fn an_api_that_is_away_is_told_and_caught_up_with() {
    let mut cluster = Cluster::start(shop(), Scope::Node);
    cluster.synced();
    cluster.stop();
    cluster.until("away", |_, state| {
        state.away().is_some_and(|(_, error)| error.is_some())
    });
    // What is known stays known.
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
    // The start of the agent does not wait for it.
    let began = Instant::now();
    let settled = cluster.watches.state.settled(DEADLINE);
    cluster.runtime.block_on(settled);
    assert!(began.elapsed() < DEADLINE / 2);
    cluster.restart(shop());
    cluster.synced();
    assert_eq!(named(&cluster.who, "10.244.1.2").as_deref(), Some("web-0"));
}

/// A server, or what is before it, that ends every watch at once is not asked in a loop.
#[test]
fn a_server_that_cuts_all_the_time_sees_no_storm() {
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

/// A server that refuses is asked less and less often.
#[test]
fn a_server_that_refuses_sees_no_storm() {
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

/// Changes faster than anybody reads them: all arrive, in order, and are not listed for it.
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
