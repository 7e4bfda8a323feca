//! Finds the Kubernetes API and the agent's credentials.
//!
//! In: the command line, KUBECONFIG, the service account of a pod. Out: a configuration for the
//! client, or none. `~/.kube/config` is not used: an agent that is run by hand should not connect
//! to the cluster that `kubectl` was last used with.

use std::path::{Path, PathBuf};

use kube::{
    Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file of `--kubeconfig`.
    #[error("use kubeconfig {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: KubeconfigError,
    },
    /// The file that KUBECONFIG names.
    #[error("use the kubeconfig that KUBECONFIG names")]
    Environment(#[source] KubeconfigError),
    /// The service account of the pod.
    #[error(
        "use the pod's service account, because KUBERNETES_SERVICE_HOST is set; \
         is automountServiceAccountToken off?"
    )]
    InCluster(#[source] InClusterError),
}

/// Finds the configuration: `file`, else KUBECONFIG, else the service account of the agent's pod.
/// `None` if none of these exists.
///
/// # Errors
///
/// When the first that exists is invalid.
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
