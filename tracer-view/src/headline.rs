//! The answer about a trace in three lines. In: its summary. Out: how long it took and whether it
//! failed, how much of that was the data plane, and its longest hops with their places. Pure.

use crate::duration::duration;
use crate::trace_summary::{LongestHop, TraceSummary};
use crate::tree::Tree;

/// At most three lines, without colour.
pub(crate) fn headline(tree: &Tree<'_>, summary: &TraceSummary) -> Vec<String> {
    let mut lines = vec![whole(tree, summary), split(summary)];
    let longest = summary
        .longest_hops
        .iter()
        .map(|longest| hop(tree, longest));
    let longest: Vec<String> = longest.collect();
    match longest.len() {
        0 => {}
        1 => lines.push(format!("longest hop: {}", longest[0])),
        _ => lines.push(format!("longest hops: {}", longest.join("; "))),
    }
    lines
}

fn whole(tree: &Tree<'_>, summary: &TraceSummary) -> String {
    let root = summary.root.map(|root| tree.nodes[root].span);
    let name = root.map_or_else(String::new, |root| match root.data_plane() {
        None => format!("{} {}", root.resource.service, root.name),
        Some(_) => root.name.to_string(),
    });
    let took = duration(summary.duration_ns, 4);
    match summary.failures.as_slice() {
        [] => format!("{name} took {took}"),
        [only] => format!("{name} took {took}; a part failed: {only}"),
        [first, rest @ ..] => {
            format!(
                "{name} took {took}; parts failed: {first}, and {} more",
                rest.len()
            )
        }
    }
}

fn split(summary: &TraceSummary) -> String {
    if summary.data_plane_spans == 0 {
        return "data plane: not seen, the trace has no spans of hopspan".to_owned();
    }
    if summary.split.data_plane_ns == 0 && !summary.longest_hops.is_empty() {
        return "data plane: at no time of the application's spans, the clocks disagree".to_owned();
    }
    let [data_plane, application] = [summary.split.data_plane_ns, summary.split.application_ns]
        .map(|part_ns| (duration(part_ns, 4), share(part_ns, summary.duration_ns)));
    let incomplete = if summary.is_incomplete {
        "; a part of it was not seen"
    } else {
        ""
    };
    format!(
        "data plane {} ({}), application {} ({}){incomplete}",
        data_plane.0, data_plane.1, application.0, application.1
    )
}

fn share(part_ns: u64, whole_ns: u64) -> String {
    match whole_ns {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", part_ns as f64 * 100.0 / whole_ns as f64),
    }
}

fn hop(tree: &Tree<'_>, longest: &LongestHop) -> String {
    let hop = tree.nodes[longest.hop].span;
    let role = tree.nodes[longest.path]
        .span
        .role()
        .map_or("path", |role| role.as_str());
    let length = duration(hop.duration_ns(), 4);
    match &longest.edge {
        Some(edge) => format!(
            "{} {length} ({role}, {} → {})",
            hop.hop_name(),
            edge.client,
            edge.server
        ),
        None => format!("{} {length} ({role})", hop.hop_name()),
    }
}
