//! A trace in a few facts, for its headline and its row in a list. In: a tree. Out: how long it took,
//! how much of that was the data plane, its longest hops, its failures. Pure; knows no layout.

use std::collections::{HashMap, HashSet};

use tracer_semconv::{HopName, Role};

use crate::call::{Call, Edge};
use crate::critical_path::{CriticalPath, Split};
use crate::problem::failure;
use crate::span::{Kind, Span};
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// As many of the longest hops are named.
pub const LONGEST_HOPS: usize = 3;

/// A hostile trace has no end of failures and names.
const MOST_NAMES: usize = 20;

/// What is known of a trace at a glance.
#[derive(Debug)]
pub struct TraceSummary {
    /// The root span that lasted longest, an application's where there is one; `None` without spans.
    pub root: Option<NodeId>,
    /// Nanoseconds; see [`Tree::duration_ns`].
    pub duration_ns: u64,
    /// The duration, divided.
    pub split: Split,
    /// The longest hops of all paths, longest first. A body is none: it comes as the server sends it.
    pub longest_hops: Vec<LongestHop>,
    /// Failures in words, each once, in the order of the spans.
    pub failures: Vec<String>,
    /// The services of its spans and the ends of its calls, each once.
    pub services: Vec<Text>,
    /// The names of server spans and of exchanges that are roots, each once.
    pub routes: Vec<Text>,
    /// The number of the application's spans.
    pub application_spans: usize,
    /// The number of data-plane spans, hops included.
    pub data_plane_spans: usize,
    /// Whether a part of its paths was not seen.
    pub is_incomplete: bool,
}

/// A hop, and the place where it is.
#[derive(Debug, Clone)]
pub struct LongestHop {
    /// The hop.
    pub hop: NodeId,
    /// The path that it is a part of.
    pub path: NodeId,
    /// The call of that path; `None` where its client sent no span.
    pub edge: Option<Edge>,
}

impl TraceSummary {
    /// Sums a trace up.
    pub fn of(tree: &Tree<'_>, calls: &[Call]) -> Self {
        let spans = || tree.nodes.iter().map(|node| node.span);
        let data_plane_spans = spans().filter(|span| span.data_plane().is_some()).count();
        let is_incomplete = spans().any(|span| {
            let facts = span.facts();
            facts.is_some_and(|facts| facts.incomplete.is_some()) || span.half().is_some()
        });
        Self {
            root: root(tree),
            duration_ns: tree.duration_ns(),
            split: CriticalPath::of(tree).split(tree),
            longest_hops: longest_hops(tree, calls),
            failures: each_once(spans().filter_map(failure)),
            services: each_once(services(tree, calls)),
            routes: each_once(
                spans()
                    .filter(|span| is_route(span))
                    .map(|s| s.name.clone()),
            ),
            application_spans: tree.nodes.len() - data_plane_spans,
            data_plane_spans,
            is_incomplete,
        }
    }
}

fn root(tree: &Tree<'_>) -> Option<NodeId> {
    let rank = |id: &NodeId| {
        let span = tree.nodes[*id].span;
        (span.data_plane().is_none(), span.duration_ns())
    };
    tree.roots.iter().copied().max_by_key(rank)
}

fn longest_hops(tree: &Tree<'_>, calls: &[Call]) -> Vec<LongestHop> {
    let is_hop = |&id: &NodeId| {
        let span = tree.nodes[id].span;
        let is_body = || {
            span.data_plane()
                .is_some_and(|hop| hop.is_hop(HopName::Body))
        };
        span.role() == Some(Role::Hop) && !is_body()
    };
    let mut hops: Vec<NodeId> = (0..tree.nodes.len()).filter(is_hop).collect();
    hops.sort_by_key(|&id| std::cmp::Reverse(tree.nodes[id].span.duration_ns()));
    let edges: HashMap<NodeId, &Edge> = calls
        .iter()
        .flat_map(|call| {
            let paths = call.exchanges.iter().flat_map(|exchange| &exchange.paths);
            paths.map(|&path| (path, &call.edge))
        })
        .collect();
    let hops = hops.into_iter().filter_map(|hop| {
        let path = tree.nodes[hop].parent?;
        let is_path = tree.nodes[path].span.role().is_some_and(Role::is_path);
        is_path.then(|| LongestHop {
            hop,
            path,
            edge: edges.get(&path).map(|edge| (*edge).clone()),
        })
    });
    hops.take(LONGEST_HOPS).collect()
}

fn services<'t>(tree: &'t Tree<'_>, calls: &'t [Call]) -> impl Iterator<Item = Text> + 't {
    let spans = tree.nodes.iter().map(|node| node.span);
    let of_spans = spans.filter(|span| span.data_plane().is_none());
    let of_spans = of_spans.map(|span| &span.resource.service);
    let of_calls = calls
        .iter()
        .flat_map(|call| [&call.edge.client, &call.edge.server]);
    of_spans.chain(of_calls).cloned()
}

/// Whether the span's name is that of what was asked for.
fn is_route(span: &Span) -> bool {
    match span.data_plane() {
        Some(data_plane) => data_plane.role == Some(Role::Exchange),
        None => span.kind == Kind::Server,
    }
}

fn each_once<T: Clone + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = HashSet::new();
    let new = all.filter(|one| known.insert(one.clone()));
    new.take(MOST_NAMES).collect()
}
