//! What the spans need to know besides what has ended, as it was last told.
//!
//! In: samples, devices, rules, facts. Out: the context of spans. Apart from what changes with every
//! exchange, so that both can be borrowed at once.

use std::sync::Arc;

use crate::{
    decode::DropReasons,
    identity::directory::Directory,
    kube_proxy::Rules,
    path::Devices,
    span::{Clock, Context, Detail},
};

/// What is known of this node now.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Tells this node's hops from another's.
    pub(super) node: String,
    pub(super) clock: Clock,
    pub(super) devices: Devices,
    pub(super) rules: Arc<Rules>,
    pub(super) drop_reasons: DropReasons,
    pub(super) who: Directory,
    pub(super) detail: Detail,
}

impl Known {
    /// The same, for who makes spans.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            clock: &self.clock,
            devices: &self.devices,
            rules: &self.rules,
            drop_reasons: &self.drop_reasons,
            directory: &self.who,
            node: &self.node,
            detail: self.detail,
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
