//! A tree to the rows of a waterfall: the spans with a row of their own, the paths whose hops are
//! in one row, and the notes of each row. In: a tree. Out: rows from top to bottom. Knows no
//! widths.

use std::collections::{HashMap, HashSet};

use tracer_semconv::Role;

use super::bar::Extent;
use super::glyphs::Mark;
use super::name::hop_name;
use super::note::{Note, half, has_problem, problems, translates_otherwise, translation};
use crate::call::Call;
use crate::span::Span;
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// One row and its notes.
pub(super) struct Row<'a> {
    pub(super) rails: Rails,
    pub(super) span: &'a Span,
    pub(super) kind: RowKind,
    pub(super) notes: Vec<Note>,
    /// Whether rows of children follow, so that their rail is drawn beside the notes.
    pub(super) has_children: bool,
}

/// The contents of a row.
pub(super) enum RowKind {
    /// Name, duration and bar. `path` is the scale of a hop's bar.
    Bar { mark: Mark, path: Option<Extent> },
    /// Name, duration and all hops of a path, in their order, with nanoseconds.
    Summary { hops: Vec<(Text, u64)> },
}

/// The tree lines before a name. Bit 0 of `open` is set where the node has later siblings, bit n
/// where its nth ancestor has. Bits of ancestors beyond 63 are lost; no terminal is wide enough for
/// their lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rails {
    pub(super) depth: usize,
    pub(super) open: u64,
}

/// All rows of the tree. Each span is in exactly one: its own, or as a hop that of its path.
pub(super) fn rows<'a>(tree: &Tree<'a>, full: bool) -> Vec<Row<'a>> {
    let calls = Call::all(tree);
    let plan = Plan::new(tree, &calls, full);
    let mut rows = Vec::with_capacity(tree.nodes.len());
    let root = |&id: &NodeId| Open {
        id,
        rails: Rails { depth: 0, open: 0 },
        detailed: true,
    };
    let mut open: Vec<Open> = tree.roots.iter().rev().map(root).collect();
    while let Some(next) = open.pop() {
        let detailed = match tree.nodes[next.id].span.role() {
            Some(Role::Exchange) => plan.detailed.contains(&next.id),
            _ => next.detailed,
        };
        let summary = if detailed {
            None
        } else {
            summary(tree, next.id)
        };
        let children = match &summary {
            Some(_) => &[][..],
            None => &tree.nodes[next.id].children,
        };
        rows.push(plan.row(tree, &next, summary, !children.is_empty()));
        for (later, &id) in children.iter().rev().enumerate() {
            let rails = Rails {
                depth: next.rails.depth + 1,
                open: next.rails.open << 1 | u64::from(later > 0),
            };
            open.push(Open {
                id,
                rails,
                detailed,
            });
        }
    }
    rows
}

struct Open {
    id: NodeId,
    rails: Rails,
    detailed: bool,
}

/// Facts of the whole trace that its rows depend on.
struct Plan {
    /// Exchanges whose hops get rows of their own.
    detailed: HashSet<NodeId>,
    /// The answering pod of an exchange, by the server span under the same client span.
    pods: HashMap<NodeId, Text>,
}

impl Plan {
    fn new(tree: &Tree<'_>, calls: &[Call], full: bool) -> Self {
        let mut edges = HashMap::new();
        let mut pods = HashMap::new();
        for call in calls {
            let pod = call
                .servers
                .iter()
                .find_map(|&id| tree.nodes[id].span.resource.pod.clone());
            for &exchange in &call.exchanges {
                edges.insert(exchange, &call.edge);
                pods.extend(pod.clone().map(|pod| (exchange, pod)));
            }
        }
        let is_exchange = |id: &NodeId| tree.nodes[*id].span.role() == Some(Role::Exchange);
        let exchanges: Vec<NodeId> = (0..tree.nodes.len()).filter(is_exchange).collect();
        let mut slowest = HashMap::new();
        for &id in &exchanges {
            let best = slowest.entry(edges.get(&id)).or_insert(id);
            if time_on_paths(tree, id) > time_on_paths(tree, *best) {
                *best = id;
            }
        }
        let slowest: HashSet<NodeId> = slowest.into_values().collect();
        let needs_detail = |&id: &NodeId| full || slowest.contains(&id) || has_problem_in(tree, id);
        Self {
            detailed: exchanges.into_iter().filter(needs_detail).collect(),
            pods,
        }
    }

    fn row<'a>(
        &self,
        tree: &Tree<'a>,
        at: &Open,
        summary: Option<Vec<(Text, u64)>>,
        has_children: bool,
    ) -> Row<'a> {
        let node = &tree.nodes[at.id];
        let mut notes: Vec<Note> = self.translation(tree, at).into_iter().collect();
        notes.extend(half(node.span));
        notes.extend(problems(node));
        let kind = match summary {
            Some(hops) => RowKind::Summary { hops },
            None => bar(tree, at.id),
        };
        Row {
            rails: at.rails,
            span: node.span,
            kind,
            notes,
            has_children,
        }
    }

    /// The translation: under the exchange, and under a span below it only where it differs. The
    /// rule of an exchange without detail is left out where it does not fit on the line.
    fn translation(&self, tree: &Tree<'_>, at: &Open) -> Option<Note> {
        let span = tree.nodes[at.id].span;
        let mut note = translation(span, self.pods.get(&at.id))?;
        let mut ancestors =
            std::iter::successors(tree.nodes[at.id].parent, |&id| tree.nodes[id].parent).take(2);
        let exchange = ancestors.find(|&id| tree.nodes[id].span.role() == Some(Role::Exchange));
        if exchange.is_some_and(|id| !translates_otherwise(span, tree.nodes[id].span)) {
            return None;
        }
        note.more_wraps = span.role() != Some(Role::Exchange) || self.detailed.contains(&at.id);
        Some(note)
    }
}

fn bar(tree: &Tree<'_>, id: NodeId) -> RowKind {
    let node = &tree.nodes[id];
    let parent = node.parent.map(|parent| tree.nodes[parent].span);
    let is_path = |span: &&Span| span.role().is_some_and(Role::is_path);
    let path = parent.filter(is_path).map(|p| Extent {
        start_ns: p.start_ns,
        end_ns: p.end_ns,
    });
    let is_hop = node.span.role() == Some(Role::Hop);
    match node.span.data_plane() {
        None => RowKind::Bar {
            mark: Mark::Application,
            path: None,
        },
        Some(_) if is_hop && path.is_some() => RowKind::Bar {
            mark: Mark::Hop,
            path,
        },
        Some(_) => RowKind::Bar {
            mark: Mark::DataPlane,
            path: None,
        },
    }
}

/// The hops of a path; `None` without hops, and where a child is not a hop or has children.
fn summary(tree: &Tree<'_>, id: NodeId) -> Option<Vec<(Text, u64)>> {
    let node = &tree.nodes[id];
    let path = node
        .span
        .role()
        .filter(|role| role.is_path() && !node.children.is_empty());
    path?;
    node.children
        .iter()
        .map(|&child| {
            let hop = &tree.nodes[child];
            let plain = hop.span.role() == Some(Role::Hop) && hop.children.is_empty();
            plain.then(|| (hop_name(hop.span).clone(), hop.span.duration_ns()))
        })
        .collect()
}

fn time_on_paths(tree: &Tree<'_>, exchange: NodeId) -> u64 {
    let spans = tree.nodes[exchange]
        .children
        .iter()
        .map(|&id| tree.nodes[id].span);
    let paths = spans.filter(|s| s.role().is_some_and(Role::is_path));
    paths.map(Span::duration_ns).fold(0, u64::saturating_add)
}

fn has_problem_in(tree: &Tree<'_>, exchange: NodeId) -> bool {
    let children = &tree.nodes[exchange].children;
    let below = children.iter().flat_map(|&id| &tree.nodes[id].children);
    let mut all = std::iter::once(&exchange).chain(children).chain(below);
    all.any(|&id| has_problem(tree.nodes[id].span))
}
