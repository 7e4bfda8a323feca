//! Parents to the shape of the tree.

use tracer_view::tree::{Detached, NodeId, Tree};

use crate::decoded;
use crate::fixture::{application, span};

/// Spans are (id, parent, start in µs). The tree is `1(2 3(4))`, with `!` before a span whose
/// parent is missing and `@` before a span where a cycle was cut.
fn check(spans: &[(u64, u64, u64)], expected: &str) {
    let otlp = spans
        .iter()
        .map(|&(id, parent, start)| span(id, parent, &id.to_string(), start, 1))
        .collect();
    let spans = decoded::spans(&[application("test", otlp)]);
    let tree = Tree::new(&spans);
    assert_eq!(outline(&tree, &tree.roots), expected);
}

fn outline(tree: &Tree<'_>, nodes: &[NodeId]) -> String {
    let one = |&id: &NodeId| {
        let node = &tree.nodes[id];
        let mark = match node.detached {
            Some(Detached::ParentMissing(_)) => "!",
            Some(Detached::ParentCycle) => "@",
            None => "",
        };
        let below = match node.children.as_slice() {
            [] => String::new(),
            children => format!("({})", outline(tree, children)),
        };
        format!("{mark}{}{below}", node.span.name)
    };
    nodes.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_span_is_in_the_tree_once() {
    check(&[], "");
    check(&[(1, 0, 0), (2, 1, 5), (3, 1, 2), (4, 3, 3)], "1(3(4) 2)");
    check(&[(4, 3, 3), (3, 1, 2), (2, 1, 5), (1, 0, 0)], "1(3(4) 2)");
    check(&[(1, 0, 9), (2, 0, 3)], "2 1");
}

#[test]
fn spans_without_their_parent_are_roots() {
    check(&[(1, 0, 0), (2, 9, 1), (3, 2, 2)], "1 !2(3)");
    check(&[(2, 9, 1), (3, 9, 0)], "!3 !2");
}

#[test]
fn cycles_are_cut_at_their_earliest_span() {
    check(&[(1, 1, 0)], "@1");
    check(&[(1, 2, 5), (2, 1, 3)], "@2(1)");
    check(
        &[(1, 3, 5), (2, 1, 3), (3, 2, 4), (4, 3, 1), (5, 4, 0)],
        "@2(3(4(5) 1))",
    );
    check(
        &[(1, 0, 0), (2, 3, 2), (3, 2, 1), (4, 5, 3), (5, 4, 4)],
        "1 @3(2) @4(5)",
    );
}

#[test]
fn a_child_may_start_before_its_parent() {
    check(&[(1, 0, 10), (2, 1, 0)], "1(2)");
}

#[test]
fn deep_trees_do_not_overflow_the_stack() {
    let spans: Vec<_> = (1..=100_000)
        .map(|id| span(id, id - 1, "deep", id, 1))
        .collect();
    let spans = decoded::spans(&[application("test", spans)]);
    let tree = Tree::new(&spans);
    assert_eq!(tree.roots, [0]);
    assert!(tree.nodes.iter().all(|node| node.children.len() <= 1));
    let cycle: Vec<_> = (1..=100_000)
        .map(|id| span(id, if id == 1 { 100_000 } else { id - 1 }, "cycle", id, 1))
        .collect();
    let cycle = decoded::spans(&[application("test", cycle)]);
    assert_eq!(Tree::new(&cycle).roots, [0]);
}
