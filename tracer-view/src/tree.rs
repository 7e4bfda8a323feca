//! Spans to a tree. In: the spans of one trace, in any order and with any parents. Out: a tree in
//! which every span is exactly once. Pure; knows no services, no calls and no layout.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tracer_semconv::Role;

use crate::id::SpanId;
use crate::span::Span;

/// Index of a node in [`Tree::nodes`].
pub type NodeId = usize;

/// The spans of one trace with their parents resolved.
#[derive(Debug)]
pub struct Tree<'a> {
    /// One per span, in the order of the input.
    pub nodes: Vec<Node<'a>>,
    /// Nodes without a parent, by start.
    pub roots: Vec<NodeId>,
    /// Earliest start of a span that has one, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Latest end of the same spans; never before the start.
    pub end_ns: u64,
}

/// One span in the tree.
#[derive(Debug)]
pub struct Node<'a> {
    /// The span.
    pub span: &'a Span,
    /// Children by start, then end, so that an empty span is before another that starts with it.
    pub children: Vec<NodeId>,
    /// The parent; `None` for a root.
    pub parent: Option<NodeId>,
    /// Why it is a root although it has a parent id.
    pub detached: Option<Detached>,
}

/// Why a span with a parent id is a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// No span has that id.
    ParentMissing(SpanId),
    /// The span is its own ancestor.
    ParentCycle,
}

impl<'a> Tree<'a> {
    /// Builds the tree, in linear time but for the sorting of siblings, and without recursion, so
    /// that a chain of 100,000 spans does not overflow the stack.
    pub fn new(spans: &'a [Span]) -> Self {
        let mut by_id = HashMap::with_capacity(spans.len());
        for (node, span) in spans.iter().enumerate() {
            if let Entry::Vacant(vacant) = by_id.entry(span.id) {
                vacant.insert(node);
            }
        }
        let nodes = spans
            .iter()
            .map(|span| Node {
                span,
                children: Vec::new(),
                parent: None,
                detached: None,
            })
            .collect();
        let (start_ns, end_ns) = extent(spans);
        let mut tree = Self {
            nodes,
            roots: Vec::new(),
            start_ns,
            end_ns,
        };
        tree.link(&by_id);
        tree.break_cycles();
        tree.sort();
        tree
    }

    fn link(&mut self, by_id: &HashMap<SpanId, NodeId>) {
        for id in 0..self.nodes.len() {
            let parent_span = self.nodes[id].span.parent;
            let parent = parent_span.and_then(|span| by_id.get(&span).copied());
            match parent {
                Some(parent) => {
                    self.nodes[id].parent = Some(parent);
                    self.nodes[parent].children.push(id);
                }
                None => {
                    self.nodes[id].detached = parent_span.map(Detached::ParentMissing);
                    self.roots.push(id);
                }
            }
        }
    }

    /// Makes the earliest span of each cycle a root.
    fn break_cycles(&mut self) {
        let reached = self.reached_from_roots();
        for id in self.earliest_of_each_cycle(&reached) {
            if let Some(parent) = self.nodes[id].parent.take() {
                self.nodes[parent].children.retain(|&child| child != id);
            }
            self.nodes[id].detached = Some(Detached::ParentCycle);
            self.roots.push(id);
        }
    }

    fn reached_from_roots(&self) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        let mut open = self.roots.clone();
        while let Some(id) = open.pop() {
            reached[id] = true;
            open.extend(&self.nodes[id].children);
        }
        reached
    }

    /// A node that no root reaches is on a cycle or below one. Every node has one parent, so a walk
    /// upwards that comes to a node of the same walk has found a cycle; a node of an earlier walk
    /// is not on a new cycle.
    fn earliest_of_each_cycle(&self, reached: &[bool]) -> Vec<NodeId> {
        let mut walk_over: Vec<Option<NodeId>> = vec![None; self.nodes.len()];
        let mut found = Vec::new();
        for walk in (0..self.nodes.len()).filter(|&id| !reached[id]) {
            let mut at = walk;
            while walk_over[at].is_none() {
                walk_over[at] = Some(walk);
                at = self.nodes[at].parent.unwrap_or(at);
            }
            if walk_over[at] == Some(walk) {
                found.push(self.earliest_on_cycle(at));
            }
        }
        found
    }

    fn earliest_on_cycle(&self, on_cycle: NodeId) -> NodeId {
        let parents =
            std::iter::successors(self.nodes[on_cycle].parent, |&id| self.nodes[id].parent);
        let others = parents.take_while(|&id| id != on_cycle);
        let by_start = |id: &NodeId| self.nodes[*id].span.start_ns;
        std::iter::once(on_cycle)
            .chain(others)
            .min_by_key(by_start)
            .unwrap_or(on_cycle)
    }

    fn sort(&mut self) {
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_key(|&id| self.time(id));
        self.roots = roots;
        for id in 0..self.nodes.len() {
            let mut children = std::mem::take(&mut self.nodes[id].children);
            children.sort_by_key(|&child| self.time(child));
            self.nodes[id].children = children;
        }
    }

    fn time(&self, id: NodeId) -> (u64, u64) {
        (self.nodes[id].span.start_ns, self.nodes[id].span.end_ns)
    }

    /// All nodes with their depth, each after its parent, siblings by start.
    pub fn depth_first(&self) -> Vec<(NodeId, usize)> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut open: Vec<(NodeId, usize)> = self.roots.iter().rev().map(|&id| (id, 0)).collect();
        while let Some((id, depth)) = open.pop() {
            order.push((id, depth));
            let children = self.nodes[id].children.iter().rev();
            open.extend(children.map(|&child| (child, depth + 1)));
        }
        order
    }

    /// The children of `id` that have this role.
    pub fn children_with(&self, id: NodeId, role: Role) -> impl Iterator<Item = NodeId> {
        self.nodes[id]
            .children
            .iter()
            .copied()
            .filter(move |&c| self.nodes[c].span.role() == Some(role))
    }

    /// The duration of the root span; with no root or several, the time from the first start to the
    /// last end.
    pub fn duration_ns(&self) -> u64 {
        match self.roots.as_slice() {
            [root] => self.nodes[*root].span.duration_ns(),
            _ => self.end_ns - self.start_ns,
        }
    }
}

/// First start and last end of the spans that have a start. A span without (start 0) would extend
/// the time line back to 1970 and make every bar invisible.
fn extent(spans: &[Span]) -> (u64, u64) {
    let timed = || spans.iter().filter(|s| s.start_ns > 0);
    let start = timed().map(|s| s.start_ns).min().unwrap_or(0);
    let end = timed().map(|s| s.end_ns.max(s.start_ns)).max().unwrap_or(0);
    (start, end)
}
