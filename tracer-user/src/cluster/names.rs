//! The sources of names while the agent runs: the node's cgroup tree, and the Kubernetes API if
//! there is one. In: arguments of the command line. Out: facts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{sync::mpsc, time::timeout};
use tracer_pipeline::decode::Fact;

use crate::error_chain::error_chain;

use super::{
    containers,
    kubernetes::{self, AccessError, ApiState, Scope, Watches},
};

/// How long the start waits for the first scan of the cgroup tree, and then for the API's first
/// lists. If the API is away, the start waits only until the first error.
const FIRST: Duration = Duration::from_secs(3);

/// The arguments about names.
#[derive(clap::Args, Debug)]
pub struct NamesArgs {
    /// Watch the Kubernetes API of this kubeconfig file
    ///
    /// Default: the kubeconfig that KUBECONFIG names, or in a pod, the cluster's API by the pod's
    /// service account. ~/.kube/config is not used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Use no Kubernetes API. Pods are then known only by uid, container and service
    #[arg(long, conflicts_with = "kubeconfig")]
    pub no_kubernetes: bool,

    /// The pods to watch in the Kubernetes API
    #[arg(long, value_enum, value_name = "WHICH", default_value = "node")]
    pub kubernetes_pods: Scope,
}

/// The facts about pods and services, from both sources.
#[derive(Debug)]
pub(crate) struct Names {
    containers: mpsc::Receiver<Vec<Fact>>,
    kubernetes: Option<Watches>,
}

impl Names {
    /// Starts the watches. `cgroup` is the root of this node's cgroups.
    ///
    /// # Errors
    ///
    /// When the kubeconfig of the command line cannot be used, or no thread can be started.
    pub(crate) async fn start(args: &NamesArgs, cgroup: &Path, node: &str) -> anyhow::Result<Self> {
        let containers = containers::watch(cgroup.to_owned(), node.to_owned())
            .context("start the thread that scans cgroups for pods")?;
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

    /// The API's state, for health checks and metrics; `None` without an API.
    pub(crate) fn api_state(&self) -> Option<Arc<ApiState>> {
        self.kubernetes
            .as_ref()
            .map(|watches| Arc::clone(&watches.state))
    }

    /// Waits for the first facts of both sources, and passes them to `take`.
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

    /// Waits for the next facts.
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
            // Both sources have ended.
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
        // Spans without names are worth more than no agent.
        Err(error) => {
            tracing::error!("no Kubernetes API: {}", error_chain(&error));
            return Ok(None);
        }
    };
    match kubernetes::watch(config, node, args.kubernetes_pods) {
        Ok(watches) => Ok(Some(watches)),
        Err(error) if args.kubeconfig.is_some() => Err(error.into()),
        Err(error) => {
            tracing::error!("no Kubernetes API: {}", error_chain(&error));
            Ok(None)
        }
    }
}
