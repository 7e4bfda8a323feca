//! The spans of a trace that a short waterfall shows. In: a tree and a number of lines. Out: the spans
//! that the trace waited for longest, and what failed; how many are left out below each. Knows no
//! widths.

use std::collections::HashSet;

use tracer_semconv::Role;

use super::note::has_problem;
use crate::critical_path::CriticalPath;
use crate::tree::{NodeId, Tree};

/// The spans with a row. A hop has none of its own here: it is in the row of its path.
pub(super) struct Fold {
    shown: Option<HashSet<NodeId>>,
    /// Paths whose hops would not fit.
    closed: HashSet<NodeId>,
}

/// The lines that spans take.
pub(super) struct Lines<O, H> {
    /// A span's row and notes.
    pub(super) own: O,
    /// The hops below a span, where they have rows.
    pub(super) hops: H,
}

impl Fold {
    /// Shows everything.
    pub(super) fn open() -> Self {
        Self {
            shown: None,
            closed: HashSet::new(),
        }
    }

    /// Shows as many spans as fit `lines`. Each span is below its parent.
    pub(super) fn to<O, H>(tree: &Tree<'_>, lines: usize, lines_of: &Lines<O, H>) -> Self
    where
        O: Fn(NodeId) -> usize,
        H: Fn(NodeId) -> usize,
    {
        let waited_ns = CriticalPath::of(tree).with_descendants(tree);
        let failed = with_problem(tree);
        let mut candidates: Vec<NodeId> = (0..tree.nodes.len())
            .filter(|&id| !is_hop(tree, id))
            .collect();
        candidates.sort_by_key(|&id| {
            let span = tree.nodes[id].span;
            let weight = (failed.contains(&id), waited_ns[id], span.duration_ns());
            (std::cmp::Reverse(weight), span.start_ns)
        });
        let (mut shown, mut closed, mut left) = (HashSet::new(), HashSet::new(), lines);
        for id in candidates {
            if left == 0 {
                break;
            }
            let above = std::iter::successors(Some(id), |&id| tree.nodes[id].parent);
            let new = above.take_while(|id| !shown.contains(id));
            // Deeper below than lines are left does not fit.
            let new: Vec<NodeId> = new.take(left + 1).collect();
            // A line that counts what is left out below the parent.
            let needed = 1 + new.iter().map(|&id| (lines_of.own)(id)).sum::<usize>();
            if needed > left {
                continue;
            }
            left -= needed - 1;
            match (lines_of.hops)(id) {
                hops if hops < left => left -= hops,
                _ => _ = closed.insert(id),
            }
            shown.extend(new);
        }
        Self {
            shown: Some(shown),
            closed,
        }
    }

    /// Whether the hops of a path are in its row, although something happened to it.
    pub(super) fn closes(&self, path: NodeId) -> bool {
        self.closed.contains(&path)
    }

    /// Whether the span has a row.
    pub(super) fn shows(&self, id: NodeId) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(&id))
    }

    /// What has no row although its nearest ancestor with a row is `id`.
    pub(super) fn left_out(&self, tree: &Tree<'_>, id: NodeId) -> LeftOut {
        let mut left_out = LeftOut::default();
        let hidden = |child: &NodeId| !self.shows(*child) && !is_hop(tree, *child);
        let is_path = |child: &NodeId| tree.nodes[*child].span.role().is_some_and(Role::is_path);
        let children = tree.nodes[id].children.iter().copied().filter(hidden);
        let (paths, mut open): (Vec<NodeId>, Vec<NodeId>) = children.partition(is_path);
        left_out.paths = paths;
        while let Some(next) = open.pop() {
            left_out.spans += 1;
            open.extend(tree.nodes[next].children.iter().copied().filter(hidden));
        }
        left_out
    }
}

/// What is left out below a span.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Its own paths, by start.
    pub(super) paths: Vec<NodeId>,
    /// The number of other spans. Hops are in none: they are parts of their paths.
    pub(super) spans: usize,
}

fn is_hop(tree: &Tree<'_>, id: NodeId) -> bool {
    tree.nodes[id].span.role() == Some(Role::Hop)
}

/// The spans with a problem, and those above them.
fn with_problem(tree: &Tree<'_>) -> HashSet<NodeId> {
    let mut found = HashSet::new();
    let problems = (0..tree.nodes.len()).filter(|&id| {
        let span = tree.nodes[id].span;
        has_problem(span) || span.failure.is_some()
    });
    for id in problems {
        let above = std::iter::successors(Some(id), |&id| tree.nodes[id].parent);
        for id in above {
            if !found.insert(id) {
                break;
            }
        }
    }
    found
}
