//! The fixture: an API server with a small shop, and the watches of a node.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use hopspan_apiserver::{Requests, Resource, Server, Store, object};
use tokio::{runtime::Runtime, time::timeout};
use tracer_pipeline::identity::directory::{Directory, PartyKey};
use tracer_user::{
    capture::clock_sample,
    cluster::kubernetes::{self, ApiSnapshot, Scope, Watches},
};

pub(crate) const NODE: &str = "node-1";
pub(crate) const STARTED: &str = "2026-01-01T00:00:00Z";
/// The back-off is at most a few seconds in these tests, on a machine that may be compiling.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<Store>,
    pub(crate) server: Option<Server>,
    pub(crate) address: SocketAddr,
    pub(crate) watches: Watches,
    pub(crate) who: Directory,
}

pub(crate) fn pod(name: &str, node: &str, ip: &str) -> serde_json::Value {
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

pub(crate) fn slice(service: &str, pod: &str, ip: &str) -> serde_json::Value {
    let endpoint = object::Endpoint {
        ip: ip.parse().unwrap(),
        pod,
        uid: &format!("uid-{pod}"),
        node: "node-2",
    };
    object::endpoint_slice("shop", service, 8080, &[endpoint])
}

/// A pod on the node, a pod of another node behind a service, and one behind no service.
pub(crate) fn shop() -> Arc<Store> {
    let store = Store::shared();
    store.apply(pod("web-0", NODE, "10.244.1.2"));
    store.apply(pod("far-0", "node-2", "10.244.2.2"));
    store.apply(pod("hidden-0", "node-2", "10.244.2.3"));
    store.apply(object::service("shop", "web", "10.96.0.10", &[80]));
    store.apply(slice("far", "far-0", "10.244.2.2"));
    store
}

impl Cluster {
    pub(crate) fn start(store: Arc<Store>, scope: Scope) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(listener, Arc::clone(&store)).unwrap();
        Self::watch(store, server.kubeconfig(), address, Some(server), scope)
    }

    pub(crate) fn watch(
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
            who: Directory::default(),
        }
    }

    /// Learns until this holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Directory, &ApiSnapshot) -> bool) {
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
                self.who.apply(fact);
            }
        }
    }

    pub(crate) fn synced(&mut self) {
        self.until("synced", |who, state| {
            let watched = state.watches.values().all(|watch| watch.watches > 0);
            // The state changes before the facts are taken from their channel.
            let stats = who.stats();
            let applied = [stats.pods, stats.endpoint_slices, stats.services];
            let objects = state.watches.values().map(|watch| watch.objects);
            let all_applied = objects
                .zip(applied)
                .all(|(objects, applied)| applied >= objects);
            state.is_synced() && state.is_connected() && watched && all_applied
        });
    }

    /// Waits until the server has begun every watch that was requested: a cut ends no others.
    pub(crate) fn until_served(&mut self) {
        let store = Arc::clone(&self.store);
        self.until("watched by the server", |_, state| {
            let requested: u64 = state.watches.values().map(|watch| watch.watches).sum();
            store.requests().watches.values().sum::<u64>() == requested
        });
    }

    /// Cuts every connection, and waits until each kind is watched again.
    pub(crate) fn cut(&mut self) {
        self.until_served();
        let begun = |state: &ApiSnapshot| -> Vec<u64> {
            let watches = state.watches.values();
            watches.map(|watch| watch.watches).collect()
        };
        let before = begun(&self.watches.state.snapshot());
        self.store.cut();
        self.until("watched again", |_, state| {
            begun(state)
                .iter()
                .zip(&before)
                .all(|(now, before)| now > before)
                && state.is_connected()
        });
    }

    pub(crate) fn requests(&self) -> Requests {
        self.store.requests()
    }

    pub(crate) fn lists(&self) -> Vec<u64> {
        let lists = self.requests().lists;
        Resource::ALL
            .iter()
            .map(|resource| lists.get(resource).copied().unwrap_or(0))
            .collect()
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }

    /// Starts a server on the same port.
    pub(crate) fn restart(&mut self, store: Arc<Store>) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.server = Some(Server::start(listener, Arc::clone(&store)).unwrap());
        self.store = store;
    }
}

pub(crate) fn named(who: &Directory, address: &str) -> Option<String> {
    let side = PartyKey {
        socket: format!("{address}:40000").parse().unwrap(),
        cgroup: 0,
        netns: 0,
        listens: false,
        at_ns: clock_sample().unwrap().monotonic_ns,
    };
    let pod = who.party(&side).pod?;
    Some(pod.name.as_ref()?.to_string())
}

pub(crate) fn service(who: &Directory, asked: &str) -> Option<String> {
    let at_ns = clock_sample().unwrap().monotonic_ns;
    let service = who.service(asked.parse().unwrap(), at_ns)?;
    Some(service.name.to_string())
}
