//! The critical path as Jaeger's page finds it (jaeger-ui, TracePage/CriticalPath): from the root's
//! end back in time, always into the child that ends last before what is already on the path.

use std::collections::HashMap;

use crate::Span;

/// A span's time, cut to that of its parent.
#[derive(Clone, Copy)]
struct Node<'t> {
    span: &'t Span,
    start_ns: u64,
    end_ns: u64,
}

struct Tree<'t> {
    nodes: HashMap<&'t str, Node<'t>>,
    /// The ids of the children of each span.
    children: HashMap<&'t str, Vec<&'t str>>,
}

/// The spans on the path of each root.
pub(super) fn critical_path<'t>(spans: &[&'t Span]) -> Vec<&'t Span> {
    let mut tree = Tree {
        nodes: HashMap::new(),
        children: HashMap::new(),
    };
    let ids: HashMap<&str, &Span> = spans
        .iter()
        .map(|span| (span.span_id.as_str(), *span))
        .collect();
    let mut roots = Vec::new();
    for &span in spans {
        match ids.get(span.parent_id.as_str()) {
            Some(parent) => tree
                .children
                .entry(parent.span_id.as_str())
                .or_default()
                .push(&span.span_id),
            None => roots.push(span),
        }
    }
    let mut path = Vec::new();
    for root in roots {
        tree.cut(
            Node {
                span: root,
                start_ns: root.start_ns,
                end_ns: root.end_ns,
            },
            &ids,
        );
        tree.walk(&root.span_id, &mut path);
    }
    path
}

impl<'t> Tree<'t> {
    /// Drops a child that is wholly outside of its parent, and cuts one that is partly outside.
    fn cut(&mut self, node: Node<'t>, spans: &HashMap<&str, &'t Span>) {
        let id = node.span.span_id.as_str();
        self.nodes.insert(id, node);
        let children = self.children.get(id).cloned().unwrap_or_default();
        let inside = children.into_iter().filter(|child| {
            let child = spans[child];
            child.start_ns < node.end_ns && child.end_ns > node.start_ns
        });
        let inside: Vec<&'t str> = inside.collect();
        self.children.insert(id, inside.clone());
        for child in inside {
            let span = spans[child];
            let node = Node {
                span,
                start_ns: span.start_ns.max(node.start_ns),
                end_ns: span.end_ns.min(node.end_ns),
            };
            self.cut(node, spans);
        }
    }

    /// Adds the path within a span.
    fn walk(&self, id: &'t str, path: &mut Vec<&'t Span>) {
        path.push(self.nodes[id].span);
        let mut before_ns = None;
        while let Some(last) = self.last_child(id, before_ns) {
            self.walk(last, path);
            before_ns = Some(self.nodes[last].start_ns);
        }
    }

    /// The child that ends last, of those that end before this time.
    fn last_child(&self, id: &str, before_ns: Option<u64>) -> Option<&'t str> {
        let children = self.children.get(id)?.iter().copied();
        let ended = children
            .filter(|child| before_ns.is_none_or(|before_ns| self.nodes[child].end_ns < before_ns));
        ended.max_by_key(|child| self.nodes[child].end_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: &str, start_ns: u64, end_ns: u64) -> Span {
        Span {
            span_id: id.to_owned(),
            parent_id: parent.to_owned(),
            start_ns,
            end_ns,
            ..Span::default()
        }
    }

    fn path(spans: &[Span]) -> Vec<&str> {
        let spans: Vec<&Span> = spans.iter().collect();
        let path = critical_path(&spans);
        path.into_iter().map(|span| span.span_id.as_str()).collect()
    }

    #[test]
    fn siblings_follow_each_other_back_in_time() {
        let mut spans = vec![
            span("client", "", 0, 100),
            span("request", "client", 1, 20),
            span("server", "client", 21, 80),
            span("query", "server", 30, 70),
            span("response", "client", 81, 99),
        ];
        let expected = ["client", "response", "server", "query", "request"];
        assert_eq!(path(&spans), expected);
        // A span over the whole exchange hides the server: the fault that this test is for.
        spans.push(span("exchange", "client", 1, 99));
        spans.retain(|span| span.span_id != "request" && span.span_id != "response");
        assert_eq!(path(&spans), ["client", "exchange"]);
    }

    #[test]
    fn what_is_outside_of_its_parent_is_cut() {
        let spans = [
            span("client", "", 0, 100),
            span("late", "client", 90, 150),
            span("outside", "client", 100, 170),
        ];
        assert_eq!(path(&spans), ["client", "late"]);
    }
}
