//! What spans need besides the exchange itself: clock, devices, rules, names.
//!
//! In: samples, devices, rules, facts. Out: the context of spans. A structure of its own, so that it and
//! the state of exchanges can be borrowed at the same time.

use std::sync::Arc;

use crate::{
    decode::DropReasons,
    http::UrlPaths,
    identity::directory::Directory,
    kube_proxy::Rules,
    path::Devices,
    span::{Clock, Context, ServiceName},
};

/// The current state of this node.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Name of this node, which distinguishes its spans from those of other nodes.
    pub(super) node: String,
    pub(super) clock: Clock,
    pub(super) devices: Devices,
    pub(super) rules: Arc<Rules>,
    pub(super) drop_reasons: DropReasons,
    pub(super) who: Directory,
    /// Under which service's name spans are exported.
    pub(super) service_name: ServiceName,
    /// How much of the paths of requests is exported.
    pub(super) url_paths: UrlPaths,
}

impl Known {
    /// The context that the span stage borrows.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            clock: &self.clock,
            devices: &self.devices,
            rules: &self.rules,
            drop_reasons: &self.drop_reasons,
            directory: &self.who,
            node: &self.node,
            service_name: self.service_name,
            url_paths: self.url_paths,
        }
    }

    pub(super) fn set_rules(&mut self, rules: Arc<Rules>) {
        tracing::info!(
            "kube-proxy's rules name {} ways to a pod and close {} portals",
            rules.len(),
            rules.refusal_count()
        );
        self.rules = rules;
    }
}
