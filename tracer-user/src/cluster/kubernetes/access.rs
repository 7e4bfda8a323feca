//! Where the Kubernetes API is, and who the agent is to it.
//!
//! In: the command line, KUBECONFIG, the service account of a pod. Out: a configuration for the
//! client, or none. `~/.kube/config` is not looked at: whoever runs the agent by hand on some
//! machine does not expect it to ask the cluster that `kubectl` was last used with.

use std::path::{Path, PathBuf};

use kube::{
    Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// The API cannot be found where it was said to be.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// As `--kubeconfig` says.
    #[error("use kubeconfig {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KubeconfigError,
    },
    /// As the environment says.
    #[error("use the kubeconfig that KUBECONFIG names")]
    Environment(#[source] KubeconfigError),
    /// In a pod.
    #[error(
        "use the pod's service account, because KUBERNETES_SERVICE_HOST is set; \
         is automountServiceAccountToken off?"
    )]
    InCluster(#[source] InClusterError),
}

/// Looks for the API: `file`, then KUBECONFIG, then the service account of the pod that the agent is
/// in. `None` where none of these is there.
///
/// # Errors
///
/// When one of them is there and makes no sense.
pub async fn find(file: Option<&Path>) -> Result<Option<Config>, AccessError> {
    let options = KubeConfigOptions::default();
    if let Some(path) = file {
        let failed = |source| AccessError::File {
            path: path.to_owned(),
            source,
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        return config.map(Some).map_err(failed);
    }
    if let Some(kubeconfig) = Kubeconfig::from_env().map_err(AccessError::Environment)? {
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        return config.map(Some).map_err(AccessError::Environment);
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        let config = Config::incluster().map_err(AccessError::InCluster)?;
        return Ok(Some(config));
    }
    Ok(None)
}
