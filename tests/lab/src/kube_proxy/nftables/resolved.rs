//! A service together with what the rules of one node do with connections to it.

use crate::kube_proxy::endpoints::Endpoints;
use crate::kube_proxy::service::Service;

/// A service and the endpoints that connections to it may get on this node.
pub(super) struct Resolved<'a> {
    pub(super) service: &'a Service,
    pub(super) endpoints: Endpoints,
}
