//! Between which nodes the application's calls go. In: the nodes and the application's pods. Out:
//! the ends of a call, as the application's client span has them.

use std::collections::BTreeMap;

use hopspan_lab::{Node, hotrod::HotRod};

use crate::Span;

/// The node of each of the application's pods, by the pod's name and by its address.
#[derive(Clone, Debug)]
pub struct CallEnds(BTreeMap<String, String>);

impl CallEnds {
    /// Reads where the pods are.
    ///
    /// # Panics
    /// When one is on none of these nodes.
    pub fn new(nodes: &[Node], hotrod: &HotRod) -> Self {
        let mut node_of = BTreeMap::new();
        for pod in hotrod.pods() {
            let node = nodes.iter().find(|node| node.pod_by_ip(pod.ip()).is_some());
            let node = node.unwrap_or_else(|| panic!("pod {} is on no node", pod.name()));
            node_of.insert(pod.name().to_owned(), node.name().to_owned());
            node_of.insert(pod.ip().to_string(), node.name().to_owned());
        }
        Self(node_of)
    }

    /// The names of the client's and of the server's node.
    pub fn of(&self, call: &Span) -> [&str; 2] {
        ["network.local.address", "hotrod.answered_by"]
            .map(|end| self.0[call.attribute(end)].as_str())
    }
}
