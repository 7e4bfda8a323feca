//! The kinds of objects that are served.

use serde::Serialize;

/// A kind, named as the last part of its URL.
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
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Pods, Self::Services, Self::EndpointSlices];

    /// The `kind` of one object.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pods => "Pod",
            Self::Services => "Service",
            Self::EndpointSlices => "EndpointSlice",
        }
    }

    /// The `apiVersion` of one object.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Pods | Self::Services => "v1",
            Self::EndpointSlices => "discovery.k8s.io/v1",
        }
    }

    /// The URL path of the list of all objects.
    pub fn path(self) -> &'static str {
        match self {
            Self::Pods => "/api/v1/pods",
            Self::Services => "/api/v1/services",
            Self::EndpointSlices => "/apis/discovery.k8s.io/v1/endpointslices",
        }
    }

    /// The resource with this `kind`.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.kind() == kind)
    }
}
