//! A tree to the rows of a waterfall: the spans with a row of their own, the paths whose hops are
//! in one row, and the notes of each row. In: a tree. Out: rows from top to bottom. Knows no
//! widths.

use std::collections::{HashMap, HashSet};

use tracer_semconv::Role;

use super::bar::Extent;
use super::glyphs::Mark;
use super::note::{Note, half, has_problem, problems, translates_otherwise, translation};
use crate::call::Call;
use crate::exchange::Exchange;
use crate::span::Span;
use crate::text::Text;
use crate::tree::{Detached, NodeId, Tree};

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
    let plan = Plan::new(tree, &Call::all(tree), full);
    let mut rows = Vec::with_capacity(tree.nodes.len());
    let root = |&id: &NodeId| Open {
        id,
        rails: Rails { depth: 0, open: 0 },
    };
    let mut open: Vec<Open> = tree.roots.iter().rev().map(root).collect();
    while let Some(next) = open.pop() {
        let is_brief = plan.brief.contains(&next.id);
        let summary = is_brief.then(|| summary(tree, next.id)).flatten();
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
            open.push(Open { id, rails });
        }
    }
    rows
}

struct Open {
    id: NodeId,
    rails: Rails,
}

/// Facts of the whole trace that its rows depend on.
struct Plan {
    /// Paths whose hops are in one row.
    brief: HashSet<NodeId>,
    /// For each path the main path of its exchange. What both have stands under the main path only.
    main_paths: HashMap<NodeId, NodeId>,
    /// For each main path the answering pod, by the server span under the same client span.
    pods: HashMap<NodeId, Text>,
}

impl Plan {
    fn new(tree: &Tree<'_>, calls: &[Call], full: bool) -> Self {
        let (mut edges, mut pods) = (HashMap::new(), HashMap::new());
        for call in calls {
            let mut servers = call.servers.iter().map(|&id| tree.nodes[id].span);
            let pod = servers.find_map(|server| server.resource.pod.clone());
            let exchanges = call.exchanges.iter();
            for main in exchanges.filter_map(|exchange| exchange.main_path(tree)) {
                edges.insert(main, &call.edge);
                pods.extend(pod.clone().map(|pod| (main, pod)));
            }
        }
        let exchanges = Exchange::all(tree);
        let (mut main_paths, mut slowest) = (HashMap::new(), HashMap::new());
        for (at, exchange) in exchanges.iter().enumerate() {
            let main = exchange.main_path(tree);
            main_paths.extend(
                exchange
                    .paths
                    .iter()
                    .filter_map(|&path| Some((path, main?))),
            );
            let time_ns = exchange.data_plane_ns(tree);
            let edge = main.and_then(|main| edges.get(&main));
            let best = slowest.entry(edge).or_insert((time_ns, at));
            if time_ns > best.0 {
                *best = (time_ns, at);
            }
        }
        let slowest: HashSet<usize> = slowest.into_values().map(|(_, at)| at).collect();
        let brief = exchanges.into_iter().enumerate().filter(|(at, exchange)| {
            !full && !slowest.contains(at) && !has_problem_in(tree, exchange)
        });
        Self {
            brief: brief.flat_map(|(_, exchange)| exchange.paths).collect(),
            main_paths,
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
        let mut notes: Vec<Note> = self.translation(tree, at.id).into_iter().collect();
        notes.extend(self.half(tree, at.id));
        notes.extend(problems(node.span, self.detached(tree, at.id)));
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

    /// The translation: under the main path of an exchange, and under another path or a hop only
    /// where it differs. The rule of an exchange without detail is left out where it does not fit on
    /// the line.
    fn translation(&self, tree: &Tree<'_>, id: NodeId) -> Option<Note> {
        let span = tree.nodes[id].span;
        let path = match span.role()? {
            Role::Exchange => return None,
            Role::Hop => tree.nodes[id].parent?,
            Role::Connect | Role::Request | Role::Response => id,
        };
        let main = self.main_paths.get(&path).copied().unwrap_or(path);
        if main != id && !translates_otherwise(span, tree.nodes[main].span) {
            return None;
        }
        let mut note = translation(span, self.pods.get(&id))?;
        note.more_wraps = !self.brief.contains(&id);
        Some(note)
    }

    /// Why the span is a root, once for an exchange.
    fn detached(&self, tree: &Tree<'_>, id: NodeId) -> Option<Detached> {
        let own = tree.nodes[id].detached;
        let main = self.main_paths.get(&id).copied().filter(|&main| main != id);
        own.filter(|_| main.is_none_or(|main| tree.nodes[main].detached != own))
    }

    /// The missing half. It stands once where all of the exchange has the same half only: under the
    /// root that hopspan began, or under the main path. A connect that failed has no other half.
    fn half(&self, tree: &Tree<'_>, id: NodeId) -> Option<Note> {
        let node = &tree.nodes[id];
        node.span.exchange()?;
        let is_root = |id: &NodeId| tree.nodes[*id].span.role() == Some(Role::Exchange);
        let root = node.parent.filter(is_root);
        let above = root.or_else(|| self.main_paths.get(&id).copied());
        let is_same = |above: NodeId| tree.nodes[above].span.half() == node.span.half();
        let is_repeated = above.is_some_and(|above| above != id && is_same(above));
        half(node.span).filter(|_| !is_repeated)
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
            plain.then(|| (hop.span.hop_name().clone(), hop.span.duration_ns()))
        })
        .collect()
}

fn has_problem_in(tree: &Tree<'_>, exchange: &Exchange) -> bool {
    let hops = exchange
        .paths
        .iter()
        .flat_map(|&path| &tree.nodes[path].children);
    let mut all = exchange.paths.iter().chain(hops);
    all.any(|&id| has_problem(tree.nodes[id].span))
}
