//! A tree to the rows of a waterfall: the spans with a row of their own, the paths whose hops are
//! in one row, and the notes of each row. In: a tree. Out: rows from top to bottom. Knows no
//! widths.

use std::collections::{HashMap, HashSet};

use tracer_semconv::Role;

use super::bar::Extent;
use super::fold::{Fold, Lines};
use super::glyphs::Mark;
use super::name::path_name;
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
    /// The paths below the row's own span that have no row, with nanoseconds, and the number of other
    /// spans.
    LeftOut {
        paths: Vec<(Text, u64)>,
        spans: usize,
    },
}

/// The tree lines before a name. Bit 0 of `open` is set where the node has later siblings, bit n
/// where its nth ancestor has. Bits of ancestors beyond 63 are lost; no terminal is wide enough for
/// their lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rails {
    pub(super) depth: usize,
    pub(super) open: u64,
}

/// The rows of the tree: with `lines` as many as fit them, else all, each hop with its own. A span is
/// in exactly one row: its own, as a hop that of its path, or one that counts those left out.
pub(super) fn rows<'a>(tree: &Tree<'a>, lines: Option<usize>) -> Vec<Row<'a>> {
    let calls = Call::all(tree);
    let plan = Plan::new(tree, &calls, lines.is_none());
    let Some(lines) = lines else {
        return rows_of(tree, &plan, &Fold::open());
    };
    let own = |id: NodeId| {
        let notes = plan.notes(tree, id);
        let wrapped = notes
            .iter()
            .filter(|note| note.more_wraps && note.more.is_some());
        1 + notes.len() + wrapped.count()
    };
    let hops = |id: NodeId| match plan.brief.contains(&id) {
        true => 0,
        false => tree.children_with(id, Role::Hop).count(),
    };
    let lines_of = Lines { own, hops };
    // Lines that count what is left out come on top: where they are too many, less is shown.
    let mut room = lines;
    loop {
        let rows = rows_of(tree, &plan, &Fold::to(tree, room, &lines_of));
        let used: usize = rows.iter().map(|row| 1 + row.notes.len()).sum();
        if used <= lines || room == 0 {
            return rows;
        }
        room = room.saturating_sub(used - lines);
    }
}

fn rows_of<'a>(tree: &Tree<'a>, plan: &Plan, fold: &Fold) -> Vec<Row<'a>> {
    let mut rows = Vec::with_capacity(tree.nodes.len());
    let root = |&id: &NodeId| Open {
        id,
        rails: Rails { depth: 0, open: 0 },
        is_left_out: false,
    };
    let roots = tree.roots.iter().rev().filter(|&&id| fold.shows(id));
    let mut open: Vec<Open> = roots.map(root).collect();
    while let Some(next) = open.pop() {
        if next.is_left_out {
            rows.push(left_out(tree, fold, &next));
            continue;
        }
        let is_brief = plan.brief.contains(&next.id) || fold.closes(next.id);
        let summary = is_brief.then(|| summary(tree, next.id)).flatten();
        let mut below: Vec<(NodeId, bool)> = Vec::new();
        if summary.is_none() {
            let is_hop = |id: NodeId| tree.nodes[id].span.role() == Some(Role::Hop);
            let shown = |&id: &NodeId| fold.shows(id) || is_hop(id);
            let children = tree.nodes[next.id].children.iter().copied().filter(shown);
            below.extend(children.map(|id| (id, false)));
        }
        let left_out = fold.left_out(tree, next.id);
        if left_out.spans > 0 || !left_out.paths.is_empty() {
            below.push((next.id, true));
        }
        rows.push(plan.row(tree, &next, summary, !below.is_empty()));
        for (later, (id, is_left_out)) in below.into_iter().rev().enumerate() {
            let rails = Rails {
                depth: next.rails.depth + 1,
                open: next.rails.open << 1 | u64::from(later > 0),
            };
            open.push(Open {
                id,
                rails,
                is_left_out,
            });
        }
    }
    rows
}

fn left_out<'a>(tree: &Tree<'a>, fold: &Fold, at: &Open) -> Row<'a> {
    let left_out = fold.left_out(tree, at.id);
    let paths = left_out.paths.iter().map(|&path| tree.nodes[path].span);
    Row {
        rails: at.rails,
        span: tree.nodes[at.id].span,
        kind: RowKind::LeftOut {
            paths: paths
                .map(|span| (Text::clean(path_name(span)), span.duration_ns()))
                .collect(),
            spans: left_out.spans,
        },
        notes: Vec::new(),
        has_children: false,
    }
}

struct Open {
    id: NodeId,
    rails: Rails,
    /// Counts the spans that are left out below `id`, in the place of the span itself.
    is_left_out: bool,
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
        let mut pods = HashMap::new();
        for call in calls {
            let mut servers = call.servers.iter().map(|&id| tree.nodes[id].span);
            let pod = servers.find_map(|server| server.resource.pod.clone());
            let exchanges = call.exchanges.iter();
            for main in exchanges.filter_map(|exchange| exchange.main_path(tree)) {
                pods.extend(pod.clone().map(|pod| (main, pod)));
            }
        }
        let exchanges = Exchange::all(tree);
        let mut main_paths = HashMap::new();
        for exchange in &exchanges {
            let main = exchange.main_path(tree);
            let paths = exchange.paths.iter();
            main_paths.extend(paths.filter_map(|&path| Some((path, main?))));
        }
        let brief = exchanges
            .into_iter()
            .filter(|exchange| !full && !has_problem_in(tree, exchange));
        Self {
            brief: brief.flat_map(|exchange| exchange.paths).collect(),
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
        let kind = match summary {
            Some(hops) => RowKind::Summary { hops },
            None => bar(tree, at.id),
        };
        Row {
            rails: at.rails,
            span: tree.nodes[at.id].span,
            kind,
            notes: self.notes(tree, at.id),
            has_children,
        }
    }

    fn notes(&self, tree: &Tree<'_>, id: NodeId) -> Vec<Note> {
        let mut notes: Vec<Note> = self.translation(tree, id).into_iter().collect();
        notes.extend(self.half(tree, id));
        notes.extend(problems(tree.nodes[id].span, self.detached(tree, id)));
        notes
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
