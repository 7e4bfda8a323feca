//! The exchanges of a trace: connect, request and response that belong together. In: a tree. Out:
//! one `Exchange` for each request and its response. Pure; knows no services and no layout.

use std::collections::HashMap;

use tracer_semconv::{HopName, Role};

use crate::span::{DataPlane, Facts, Span};
use crate::tree::{NodeId, Tree};

/// One request and its response, as far as they were seen.
#[derive(Debug)]
pub struct Exchange {
    /// Connect, request and response, by start.
    pub paths: Vec<NodeId>,
}

impl Exchange {
    /// All exchanges of a trace.
    pub fn all(tree: &Tree<'_>) -> Vec<Self> {
        let below = tree.nodes.iter().map(|node| node.children.as_slice());
        let siblings = std::iter::once(tree.roots.as_slice()).chain(below);
        siblings
            .flat_map(|siblings| Self::among(tree, siblings))
            .collect()
    }

    /// The exchanges whose paths are among `siblings`, in their order. A client that tries again
    /// has several under one span. A connect that failed is in none.
    pub fn among(tree: &Tree<'_>, siblings: &[NodeId]) -> Vec<Self> {
        let (mut exchanges, mut known) = (Vec::<Self>::new(), HashMap::new());
        for &path in siblings {
            let span = tree.nodes[path].span;
            let is_path = span.role().is_some_and(Role::is_path);
            let Some(id) = span.exchange().filter(|_| is_path) else {
                continue;
            };
            let at = *known.entry(id).or_insert(exchanges.len());
            match exchanges.get_mut(at) {
                Some(exchange) => exchange.paths.push(path),
                None => exchanges.push(Self { paths: vec![path] }),
            }
        }
        exchanges
    }

    /// Its paths with this role: one, unless a sender makes them up.
    pub fn with_role(&self, tree: &Tree<'_>, role: Role) -> impl Iterator<Item = NodeId> {
        let paths = self.paths.iter().copied();
        paths.filter(move |&path| tree.nodes[path].span.role() == Some(role))
    }

    /// The path that has most of what is known of the exchange: its request, without one its
    /// response, else its connect.
    pub fn main_path(&self, tree: &Tree<'_>) -> Option<NodeId> {
        let roles = [Role::Request, Role::Response, Role::Connect];
        roles
            .into_iter()
            .find_map(|role| self.with_role(tree, role).next())
    }

    /// The facts of its paths, those of its main path first.
    pub(crate) fn facts<'a>(&self, tree: &Tree<'a>) -> impl Iterator<Item = &'a Facts> {
        let all = self
            .main_path(tree)
            .into_iter()
            .chain(self.paths.iter().copied());
        all.filter_map(|path| tree.nodes[path].span.facts())
    }
}

/// The time of a path in the data plane: without the rest of a response's body, which comes as the
/// server sends it.
pub(crate) fn data_plane_ns(tree: &Tree<'_>, path: NodeId) -> u64 {
    let whole = tree.nodes[path].span.duration_ns();
    whole.saturating_sub(hop_ns(tree, path, HopName::Body).unwrap_or(0))
}

/// The time of a path in the hops of this name; `None` where it has none.
pub(crate) fn hop_ns(tree: &Tree<'_>, path: NodeId, name: HopName) -> Option<u64> {
    let hops = tree
        .children_with(path, Role::Hop)
        .map(|hop| tree.nodes[hop].span);
    let named = hops.filter(|hop| {
        hop.data_plane()
            .is_some_and(|hop: &DataPlane| hop.is_hop(name))
    });
    named.map(Span::duration_ns).reduce(u64::saturating_add)
}
