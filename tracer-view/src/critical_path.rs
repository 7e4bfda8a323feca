//! The critical path of a trace: for each moment the span that its end waited for. In: a tree. Out:
//! how long each span is on the path by itself, and from it the split of the trace's time into
//! application and data plane. Pure; knows no services and no layout.
//!
//! From the end of a span back in time, always into the child that ends last, as Jaeger's page does.
//! A child that is still open where the next one begins is cut there and not left out: a server's
//! span often ends after its response was sent. A connect that failed is beside the span of the
//! request that waited for it: it counts in the innermost span that was open all its time.

use std::collections::{HashMap, HashSet};

use tracer_semconv::{HopName, Role};

use crate::tree::{NodeId, Tree};

/// How long each span of a tree is on the critical path.
#[derive(Debug)]
pub struct CriticalPath {
    /// By node: nanoseconds on the path outside of its children.
    own_ns: Vec<u64>,
    /// Nanoseconds between the roots of a trace with several.
    between_roots_ns: u64,
}

/// The time of a trace, by what it waited for. The two add up to [`Tree::duration_ns`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// The application, and everything that hopspan did not see, nanoseconds.
    pub application_ns: u64,
    /// Connects, requests and responses on their way, nanoseconds.
    pub data_plane_ns: u64,
}

/// A part of the path that is still to be divided: a span, cut to the time that its parent waited
/// for it.
struct Piece {
    node: NodeId,
    start_ns: u64,
    end_ns: u64,
}

impl CriticalPath {
    /// Finds the path. Without recursion: a chain of 100,000 spans does not overflow the stack.
    pub fn of(tree: &Tree<'_>) -> Self {
        let mut path = Self {
            own_ns: vec![0; tree.nodes.len()],
            between_roots_ns: 0,
        };
        let children = Children::of(tree);
        let mut open = Vec::new();
        match tree.roots.as_slice() {
            [root] => open.push(whole(tree, *root)),
            roots => {
                let window = (tree.start_ns, tree.end_ns);
                path.between_roots_ns = divide(tree, roots, window, &mut open);
            }
        }
        while let Some(piece) = open.pop() {
            let window = (piece.start_ns, piece.end_ns);
            let children = children.below(tree, piece.node);
            path.own_ns[piece.node] += divide(tree, &children, window, &mut open);
        }
        path
    }

    /// The time of the trace in application and data plane.
    pub fn split(&self, tree: &Tree<'_>) -> Split {
        let mut split = Split {
            application_ns: self.between_roots_ns,
            data_plane_ns: 0,
        };
        for (node, own_ns) in self.own_ns.iter().enumerate() {
            let part = match is_data_plane(tree, node) {
                true => &mut split.data_plane_ns,
                false => &mut split.application_ns,
            };
            *part = part.saturating_add(*own_ns);
        }
        split
    }

    /// By node: nanoseconds on the path with all descendants.
    pub fn with_descendants(&self, tree: &Tree<'_>) -> Vec<u64> {
        let mut sums = self.own_ns.clone();
        let mut order = tree.roots.clone();
        let mut next = 0;
        while let Some(&node) = order.get(next) {
            order.extend(&tree.nodes[node].children);
            next += 1;
        }
        for &node in order.iter().rev() {
            if let Some(parent) = tree.nodes[node].parent {
                sums[parent] = sums[parent].saturating_add(sums[node]);
            }
        }
        sums
    }
}

/// Each failed connect takes a walk through the tree. An agent sends few of them for one request.
const MOST_FAILED: usize = 64;

/// The children of each span, with failed connects where they were waited for.
struct Children {
    /// Failed connects by the span that each is below here.
    moved: HashMap<NodeId, Vec<NodeId>>,
    failed: HashSet<NodeId>,
}

impl Children {
    fn of(tree: &Tree<'_>) -> Self {
        let is_failed = |&node: &NodeId| {
            let span = tree.nodes[node].span;
            span.role() == Some(Role::Connect) && span.exchange().is_none()
        };
        let failed = (0..tree.nodes.len()).filter(is_failed);
        let failed: HashSet<NodeId> = failed.take(MOST_FAILED).collect();
        let mut moved: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for &connect in &failed {
            if let Some(parent) = tree.nodes[connect].parent {
                let waited = innermost(tree, parent, connect);
                moved.entry(waited).or_default().push(connect);
            }
        }
        Self { moved, failed }
    }

    fn below(&self, tree: &Tree<'_>, node: NodeId) -> Vec<NodeId> {
        let own = tree.nodes[node].children.iter().copied();
        let own = own.filter(|child| !self.failed.contains(child));
        let moved = self.moved.get(&node).into_iter().flatten().copied();
        own.chain(moved).collect()
    }
}

/// The innermost of the application's spans from `top` down that was open all the time of `connect`.
fn innermost(tree: &Tree<'_>, top: NodeId, connect: NodeId) -> NodeId {
    let connect = tree.nodes[connect].span;
    let covers = |&child: &NodeId| {
        let span = tree.nodes[child].span;
        let is_open = span.start_ns <= connect.start_ns && span.end_ns >= connect.end_ns;
        span.data_plane().is_none() && is_open
    };
    let below = |node: &NodeId| tree.nodes[*node].children.iter().copied().find(covers);
    std::iter::successors(Some(top), below)
        .last()
        .unwrap_or(top)
}

fn whole(tree: &Tree<'_>, node: NodeId) -> Piece {
    let span = tree.nodes[node].span;
    Piece {
        node,
        start_ns: span.start_ns,
        end_ns: span.end_ns.max(span.start_ns),
    }
}

/// Puts the parts of `nodes` that are on the path within a window to `open`. Returns how much of the
/// window is left.
fn divide(
    tree: &Tree<'_>,
    nodes: &[NodeId],
    (start_ns, end_ns): (u64, u64),
    open: &mut Vec<Piece>,
) -> u64 {
    let mut last_first: Vec<NodeId> = nodes.to_vec();
    last_first.sort_by_key(|&node| std::cmp::Reverse(tree.nodes[node].span.end_ns));
    let (mut before_ns, mut left_ns) = (end_ns, 0);
    for node in last_first {
        let span = tree.nodes[node].span;
        let (from_ns, to_ns) = (span.start_ns.max(start_ns), span.end_ns.min(before_ns));
        // Without a start the span is at no known time.
        if span.start_ns == 0 || from_ns >= to_ns {
            continue;
        }
        left_ns += before_ns - to_ns;
        open.push(Piece {
            node,
            start_ns: from_ns,
            end_ns: to_ns,
        });
        before_ns = from_ns;
    }
    left_ns + before_ns.saturating_sub(start_ns)
}

/// Whether time in this span itself is the data plane's. Between the paths of an exchange the
/// server works; a body comes as the server sends it.
fn is_data_plane(tree: &Tree<'_>, node: NodeId) -> bool {
    tree.nodes[node]
        .span
        .data_plane()
        .is_some_and(|span| span.role != Some(Role::Exchange) && !span.is_hop(HopName::Body))
}
