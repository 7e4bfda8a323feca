//! Names from the Kubernetes API: pods, EndpointSlices and Services, watched.
//!
//! In: where the API is. Out: facts, and the state of the API. The pods are those of this node: others
//! are named by the EndpointSlices that they are in, which say pod, namespace and node. So an
//! agent costs the API what one more kube-proxy would; kube-proxy watches the same EndpointSlices
//! and Services on every node. Only pods of other nodes that no service selects have no name;
//! `Scope::Cluster` watches all pods, for clusters that can bear it.
//!
//! Every list is answered from the API server's own cache (`resourceVersion=0`), and asked for once,
//! and again only when the API no longer has the version at which a watch has stopped.

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

use observe::Observe;

/// Batches that wait for the pipeline. When they do, the watches wait, and the API keeps what comes.
const BATCHES: usize = 16;
/// The API ends each watch after so many seconds, and so many more by the node's name: agents that
/// started together do not come back together. An API that has vanished without a word is noticed
/// so late at most.
const WATCH_SECONDS: u32 = 180;
const WATCH_SPREAD_SECONDS: u32 = 120;

/// Which pods are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Those of this node.
    #[default]
    Node,
    /// All, also to name clients on other nodes that no service selects. Costs the API server and
    /// the agent more, the larger the cluster.
    Cluster,
}

/// The API cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no client.
    #[error("make a client for the Kubernetes API")]
    Client(#[source] Box<kube::Error>),
    /// The node's name cannot be one.
    #[error("node name {0:?} cannot be a node's: set NODE_NAME to spec.nodeName, as deploy/ does")]
    Node(String),
}

/// The watches, running.
#[derive(Debug)]
pub struct Watches {
    /// What they learn.
    pub facts: mpsc::Receiver<Vec<Fact>>,
    /// How they are.
    pub state: Arc<ApiState>,
}

/// Starts to watch, on tasks of their own that end with the receiver.
///
/// # Errors
///
/// When the configuration makes no client. That the API is away is no error: it may come.
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
    tokio::spawn(watch::follow::<object::Pod>(
        client.clone(),
        pods,
        Arc::clone(&state),
        sender.clone(),
    ));
    tokio::spawn(watch::follow::<object::EndpointSlice>(
        client.clone(),
        watch_config(node),
        Arc::clone(&state),
        sender.clone(),
    ));
    tokio::spawn(watch::follow::<object::Service>(
        client,
        watch_config(node),
        Arc::clone(&state),
        sender,
    ));
    Ok(Watches { facts, state })
}

fn client(config: Config, state: &Arc<ApiState>) -> kube::Result<Client> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(&Observe(Arc::clone(state))).build())
}

fn watch_config(node: &str) -> watcher::Config {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    let spread = u32::try_from(hasher.finish() % u64::from(WATCH_SPREAD_SECONDS)).unwrap_or(0);
    let config = watcher::Config::default()
        .any_semantic()
        .timeout(WATCH_SECONDS + spread);
    watcher::Config {
        // Pages are read from etcd: with a limit, `kube` asks for no version, which means the latest.
        page_size: None,
        ..config
    }
}

/// A DNS subdomain (RFC 1123), as the API wants of a Node's name. So it is no more than a name in a
/// field selector, either.
fn is_node_name(name: &str) -> bool {
    let is_letter =
        |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'A'..=b'Z');
    (1..=253).contains(&name.len()) && name.bytes().all(is_letter)
}
