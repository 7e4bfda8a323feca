//! The kinds that are served.

use serde::Serialize;

/// A kind, by the last part of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// core/v1 Pod.
    Pods,
    /// core/v1 Service.
    Services,
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlices,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pods, Self::Services, Self::EndpointSlices];

    /// `kind` of one object.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pods => "Pod",
            Self::Services => "Service",
            Self::EndpointSlices => "EndpointSlice",
        }
    }

    /// `apiVersion` of one object.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Pods | Self::Services => "v1",
            Self::EndpointSlices => "discovery.k8s.io/v1",
        }
    }

    /// The path of all its objects.
    pub fn path(self) -> &'static str {
        match self {
            Self::Pods => "/api/v1/pods",
            Self::Services => "/api/v1/services",
            Self::EndpointSlices => "/apis/discovery.k8s.io/v1/endpointslices",
        }
    }

    /// The kind of this name.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.kind() == kind)
    }
}
