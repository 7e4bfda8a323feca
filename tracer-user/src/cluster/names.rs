//! Where names come from while the agent runs: the node's cgroup tree, and the Kubernetes API where
//! there is one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{sync::mpsc, time::timeout};
use tracer_pipeline::decode::Fact;

use super::{
    containers,
    kubernetes::{self, AccessError, ApiState, Scope, Watches},
};

/// How long the first look at the node, and then the API's first lists, may hold up the start. An API
/// that is away holds it up only until its first error.
const FIRST: Duration = Duration::from_secs(3);

/// How the agent learns names.
#[derive(clap::Args, Debug)]
pub struct NamesArgs {
    /// Ask the Kubernetes API that FILE tells of
    ///
    /// Without it: the one that KUBECONFIG tells of, or else, in a pod, the cluster's own by the
    /// pod's service account. ~/.kube/config is not looked at.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Ask no Kubernetes API. Pods are then known by uid, container and service only
    #[arg(long, conflicts_with = "kubeconfig")]
    pub no_kubernetes: bool,

    /// Which pods to watch in the Kubernetes API
    #[arg(long, value_enum, value_name = "WHICH", default_value = "node")]
    pub kubernetes_pods: Scope,
}

/// Facts as they are learnt.
#[derive(Debug)]
pub(crate) struct Names {
    containers: mpsc::Receiver<Vec<Fact>>,
    kubernetes: Option<Watches>,
}

impl Names {
    /// Starts to learn. `cgroup` is the root of this node's cgroups.
    ///
    /// # Errors
    ///
    /// When the kubeconfig of the command line cannot be used, or there can be no more threads.
    pub(crate) async fn start(args: &NamesArgs, cgroup: &Path, node: &str) -> anyhow::Result<Self> {
        let containers = containers::watch(cgroup.to_owned(), node.to_owned())
            .context("start the thread that looks for pods")?;
        let kubernetes = if args.no_kubernetes {
            None
        } else {
            watch(args, node).await?
        };
        Ok(Self {
            containers,
            kubernetes,
        })
    }

    /// The API's state, for health checks and metrics; `None` where none is asked.
    pub(crate) fn api_state(&self) -> Option<Arc<ApiState>> {
        self.kubernetes
            .as_ref()
            .map(|watches| Arc::clone(&watches.state))
    }

    /// Waits for what can be known at the start, and passes it on.
    pub(crate) async fn first(&mut self, mut take: impl FnMut(Vec<Fact>)) {
        if let Ok(Some(facts)) = timeout(FIRST, self.containers.recv()).await {
            take(facts);
        }
        let Some(state) = self.api_state() else {
            return;
        };
        let settled = state.settled(FIRST);
        tokio::pin!(settled);
        loop {
            tokio::select! {
                facts = self.next() => take(facts),
                () = &mut settled => break,
            }
        }
        if let Some(watches) = &mut self.kubernetes {
            while let Ok(facts) = watches.facts.try_recv() {
                take(facts);
            }
        }
    }

    /// What was learnt next.
    pub(crate) async fn next(&mut self) -> Vec<Fact> {
        let kubernetes = async {
            match &mut self.kubernetes {
                Some(watches) => watches.facts.recv().await,
                None => None,
            }
        };
        tokio::select! {
            Some(facts) = self.containers.recv() => facts,
            Some(facts) = kubernetes => facts,
            // Nobody learns anything any more.
            else => std::future::pending().await,
        }
    }
}

async fn watch(args: &NamesArgs, node: &str) -> anyhow::Result<Option<Watches>> {
    let config = match kubernetes::find(args.kubeconfig.as_deref()).await {
        Ok(Some(config)) => config,
        Ok(None) => {
            tracing::info!("no Kubernetes API: pods are named by their cgroups, services by rules");
            return Ok(None);
        }
        Err(error @ AccessError::File { .. }) => return Err(error.into()),
        // What the agent sees is worth more than names.
        Err(error) => {
            tracing::error!("no Kubernetes API: {:#}", anyhow::Error::from(error));
            return Ok(None);
        }
    };
    match kubernetes::watch(config, node, args.kubernetes_pods) {
        Ok(watches) => Ok(Some(watches)),
        Err(error) if args.kubeconfig.is_some() => Err(error.into()),
        Err(error) => {
            tracing::error!("no Kubernetes API: {:#}", anyhow::Error::from(error));
            Ok(None)
        }
    }
}
