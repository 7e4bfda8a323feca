//! Watches pods, EndpointSlices and Services of the Kubernetes API.
//!
//! In: the configuration of a client. Out: facts, and the state of the watches.
//!
//! # The load on the API server
//!
//! Watched pods are those of this node. Pods of other nodes get their names from EndpointSlices,
//! which contain pod, namespace and node. So an agent costs the API server as much as one more
//! kube-proxy, which watches the same EndpointSlices and Services on every node. Pods of other
//! nodes that no service selects have no name, unless `Scope::Cluster` watches all pods.
//!
//! The API server answers every list from its cache (`resourceVersion=0`). Each kind is listed
//! once, and again only when the API server no longer has the version at which a watch ended.

mod access;
mod convert;
mod object;
mod observe;
mod state;
mod watch;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use kube::{Client, Config, client::ClientBuilder, runtime::watcher};
use tokio::sync::mpsc;
use tracer_pipeline::decode::{Fact, fact::Kind};

pub use access::{AccessError, find};
pub use state::{ApiSnapshot, ApiState, WatchState};

use observe::ObserveRequests;

/// The bound of batches that wait for the pipeline. When it is reached, the watches wait, and the
/// API server buffers changes.
const BATCHES: usize = 16;
/// The API server ends each watch after this time plus a part of `WATCH_SPREAD_SECONDS`. A lost API
/// server is noticed after this time at the latest.
const WATCH_SECONDS: u32 = 180;
/// The part depends on the node's name, so that agents that started together watch again at
/// different times.
const WATCH_SPREAD_SECONDS: u32 = 120;

/// The pods that are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Pods of this node.
    #[default]
    Node,
    /// All pods, to name also clients on other nodes that no service selects. The cost to the API
    /// server and the agent grows with the cluster.
    Cluster,
}

/// Why the watches cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error("make a client for the Kubernetes API")]
    Client(#[source] Box<kube::Error>),
    /// The node's name is invalid.
    #[error("node name {0:?} is invalid: set NODE_NAME to spec.nodeName, as deploy/ does")]
    Node(String),
}

/// The running watches.
#[derive(Debug)]
pub struct Watches {
    /// The facts.
    pub facts: mpsc::Receiver<Vec<Fact>>,
    /// The state of the API.
    pub state: Arc<ApiState>,
}

/// Starts the watches on tasks of their own, which end with the receiver.
///
/// # Errors
///
/// When the configuration or the node's name is invalid. An API that is away is no error.
pub fn watch(config: Config, node: &str, scope: Scope) -> Result<Watches, StartError> {
    if !is_node_name(node) {
        return Err(StartError::Node(node.to_owned()));
    }
    let state = Arc::new(ApiState::new(&[Kind::Pod, Kind::Endpoints, Kind::Service]));
    let client = client(config, &state).map_err(|error| StartError::Client(Box::new(error)))?;
    let (sender, facts) = mpsc::channel(BATCHES);
    let mut pods = watch_config(node);
    if scope == Scope::Node {
        pods = pods.fields(&format!("spec.nodeName={node}"));
    }
    tokio::spawn(watch::run::<object::Pod>(
        client.clone(),
        pods,
        Arc::clone(&state),
        sender.clone(),
    ));
    tokio::spawn(watch::run::<object::EndpointSlice>(
        client.clone(),
        watch_config(node),
        Arc::clone(&state),
        sender.clone(),
    ));
    tokio::spawn(watch::run::<object::Service>(
        client,
        watch_config(node),
        Arc::clone(&state),
        sender,
    ));
    Ok(Watches { facts, state })
}

fn client(config: Config, state: &Arc<ApiState>) -> kube::Result<Client> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder
        .with_layer(&ObserveRequests(Arc::clone(state)))
        .build())
}

fn watch_config(node: &str) -> watcher::Config {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    let spread = u32::try_from(hasher.finish() % u64::from(WATCH_SPREAD_SECONDS)).unwrap_or(0);
    let config = watcher::Config::default()
        .any_semantic()
        .timeout(WATCH_SECONDS + spread);
    watcher::Config {
        // With a page size, `kube` sends no resourceVersion, and the API server reads from etcd.
        page_size: None,
        ..config
    }
}

/// Whether a name has the letters and the length of a DNS subdomain (RFC 1123), which the API
/// requires of a Node's name. Such a name cannot extend a field selector.
fn is_node_name(name: &str) -> bool {
    let is_letter =
        |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'A'..=b'Z');
    (1..=253).contains(&name.len()) && name.bytes().all(is_letter)
}
