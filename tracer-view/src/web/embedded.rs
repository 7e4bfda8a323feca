//! A report as one HTML file: the page with its data in it. In: sets of traces. Out: HTML that needs
//! no server and asks for nothing.

use std::collections::HashSet;

use super::assets::{INDEX_HTML, PAGE_CSS, PAGE_JS};
use super::model::{EmbeddedReport, EmbeddedSet, TraceRow, TraceView};
use super::sets::FileSet;
use super::view::Window;
use crate::id::TraceId;

/// Traces of a set that can be opened: the failed, the slowest, and each edge's worst.
const MOST_TRACES: usize = 50;
/// Spans of these together.
const MOST_SPANS: usize = 100_000;

/// The page with these sets. `created` is a date for people.
pub(crate) fn html(sets: &[FileSet], created: String) -> String {
    let sets = sets.iter().zip(1..).map(|(set, id)| embedded(set, id));
    let report = EmbeddedReport {
        created,
        sets: sets.collect(),
    };
    // The structures have no maps with other keys than text, so nothing can fail.
    let json = serde_json::to_string(&report).unwrap_or_default();
    // In a script element `</script` and `<!--` have a meaning, and nothing else does.
    let json = json.replace('<', "\\u003c");
    let script = format!("<script type=\"application/json\" id=\"report\">{json}</script>");
    let mut html = String::new();
    let mut rest = INDEX_HTML;
    for (marker, part) in [
        (
            Marker::Between("report:style"),
            format!("<style>{PAGE_CSS}</style>"),
        ),
        (Marker::At("report:data"), script),
        (
            Marker::Between("report:script"),
            format!("<script>{PAGE_JS}</script>"),
        ),
    ] {
        let (before, after) = marker.split(rest);
        html.push_str(before);
        html.push_str(&part);
        rest = after;
    }
    html + rest
}

/// A place in `index.html`, whose comment describes them.
enum Marker {
    /// What is between a comment of this name and one with a slash before it.
    Between(&'static str),
    /// The comment itself.
    At(&'static str),
}

impl Marker {
    /// What is before it, and what is after it. Without the marker everything is before it: a test
    /// holds that the file has them.
    fn split<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        let (first, last) = match self {
            Self::Between(name) => (format!("<!-- {name} -->"), format!("<!-- /{name} -->")),
            Self::At(name) => (format!("<!-- {name} -->"), String::new()),
        };
        let found = text.split_once(&first);
        let found = found.and_then(|(before, rest)| Some((before, rest.split_once(&last)?.1)));
        found.unwrap_or((text, ""))
    }
}

fn embedded(set: &FileSet, id: usize) -> EmbeddedSet {
    let comparison = set.view().compare(Window::WHOLE);
    let list = set.view().list(None, set.losses().to_vec());
    let rows: Vec<TraceRow> = set.view().rows().cloned().collect();
    let worst = comparison.edges.iter().flat_map(|edge| &edge.worst);
    let worst = worst.map(|call| call.trace.clone());
    EmbeddedSet {
        set: set.set(&id.to_string()),
        traces: traces(set, &rows, worst),
        list: super::model::TraceList {
            version: list.version,
            whole: true,
            removed: Vec::new(),
            losses: list.losses,
            rows,
        },
        comparison,
    }
}

fn traces(set: &FileSet, rows: &[TraceRow], worst: impl Iterator<Item = String>) -> Vec<TraceView> {
    let mut slowest: Vec<&TraceRow> = rows.iter().collect();
    slowest.sort_by_key(|row| (row.failures.is_empty(), std::cmp::Reverse(row.duration_ns)));
    let slowest = slowest.into_iter().map(|row| row.id.clone());
    let mut known = HashSet::new();
    let mut spans = 0;
    worst
        .chain(slowest)
        .filter(|id| known.insert(id.clone()))
        .filter_map(|id| set.trace(TraceId::from_hex(&id)?))
        .take_while(|trace| {
            spans += trace.spans.len();
            spans <= MOST_SPANS
        })
        .take(MOST_TRACES)
        .collect()
}
