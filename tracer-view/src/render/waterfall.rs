//! A tree to a waterfall. In: a tree, a caption and a style. Out: lines: heading, legend, time
//! line, and rows with name, duration, start and bar. Knows no other traces.

use tracer_semconv::{HopName, Role};

use super::bar::{Extent, draw};
use super::clocks;
use super::columns::Columns;
use super::date::date;
use super::glyphs::Mark;
use super::line::{Ink, Line};
use super::name::{name, path_name};
use super::note::Note;
use super::rows::{Row, RowKind, rows};
use super::style::Style;
use super::summary;
use crate::duration::{PART_DIGITS, count, duration};
use crate::id::TraceId;
use crate::span::Span;
use crate::text::{Text, width};
use crate::tree::Tree;

/// Rows of one trace without `full`: some sixty pages.
const MAX_ROWS: usize = 3_000;

/// Prints one trace. `caption` is the reason why it is printed, or empty.
pub fn waterfall(id: TraceId, tree: &Tree<'_>, caption: &str, style: Style) -> Vec<Line> {
    let mut rows = rows(tree, style.full);
    let hidden = if style.full {
        0
    } else {
        rows.len().saturating_sub(MAX_ROWS)
    };
    rows.truncate(rows.len() - hidden);
    let columns = Columns::new(tree, &rows, style);
    let mut lines = heading(id, tree, caption, &columns);
    for row in &rows {
        lines.push(match &row.kind {
            RowKind::Bar { mark, path } => bar_row(row, *mark, *path, &columns),
            RowKind::Summary { hops } => summary_row(row, hops, &columns),
        });
        row.notes
            .iter()
            .for_each(|text| note(row, text, &columns, &mut lines));
    }
    if hidden > 0 {
        let rest = format!("! {} more rows; --full shows them", count(hidden as u64));
        lines.push(Line::of(Ink::Problem, rest));
    }
    lines
}

fn heading(id: TraceId, tree: &Tree<'_>, caption: &str, columns: &Columns) -> Vec<Line> {
    let charset = columns.style.charset;
    let mut first = Line::of(Ink::Strong, format!("trace {id}"));
    first.push(
        Ink::Plain,
        format!("  {}", charset.text(&duration(tree.duration_ns(), 4))),
    );
    if !caption.is_empty() {
        first.push(Ink::Strong, format!("  {caption}"));
    }
    let data_plane = tree
        .nodes
        .iter()
        .filter(|n| n.span.data_plane().is_some())
        .count();
    let application = tree.nodes.len() - data_plane;
    let counts = format!(
        "{}, {} application and {} data-plane spans",
        date(tree.start_ns),
        count(application as u64),
        count(data_plane as u64)
    );
    let mut lines = vec![first, Line::of(Ink::Faint, counts)];
    lines.extend(longest_hop(tree).map(|text| Line::of(Ink::Faint, charset.text(&text))));
    let clocks = clocks::lines(tree).into_iter();
    lines.extend(clocks.map(|text| Line::of(Ink::Faint, charset.text(&text))));
    lines.push(legend(columns));
    lines.push(columns.heading());
    lines
        .into_iter()
        .map(|line| line.cut_to(columns.style.width(), charset))
        .collect()
}

/// The longest hop of the trace, for the heading. Most of a body's time is the server's.
fn longest_hop(tree: &Tree<'_>) -> Option<String> {
    let hops = tree
        .nodes
        .iter()
        .filter(|n| n.span.role() == Some(Role::Hop) && !is_body(n.span));
    let hop = hops.max_by_key(|n| n.span.duration_ns())?;
    let path = &tree.nodes[hop.parent?];
    let above = name(tree.nodes[path.parent?].span).into_iter();
    let above: String = above
        .filter(|(ink, _)| *ink != Ink::Faint)
        .map(|(_, piece)| piece)
        .collect();
    Some(format!(
        "longest hop: {} {}, {} of {above}",
        hop.span.hop_name(),
        duration(hop.span.duration_ns(), 4),
        path_name(path.span),
    ))
}

fn is_body(hop: &Span) -> bool {
    hop.data_plane()
        .is_some_and(|hop| hop.is_hop(HopName::Body))
}

fn legend(columns: &Columns) -> Line {
    let charset = columns.style.charset;
    let (frame, hop) = match columns.bar {
        0 => ("", "hop"),
        _ => (
            charset.frame(Mark::Hop),
            "hop, on the scale of its own path",
        ),
    };
    let mut line = Line::default();
    for (mark, frame, meaning) in [
        (Mark::Application, "", "application"),
        (Mark::DataPlane, "", "data plane"),
        (Mark::Hop, frame, hop),
    ] {
        line.push(mark.into(), format!("{frame}{}{frame}", charset.mark(mark)));
        line.push(Ink::Faint, format!(" {meaning}   "));
    }
    line
}

fn bar_row(row: &Row<'_>, mark: Mark, path: Option<Extent>, columns: &Columns) -> Line {
    let charset = columns.style.charset;
    let span = row.span;
    let mut line = columns.branch(row.rails);
    line.push(mark.into(), format!("{} ", charset.mark(mark)));
    let room = columns.tree.saturating_sub(line.width());
    line.push_name(&name(span), room, charset);
    let duration = duration(span.duration_ns(), 4);
    line.push_right(Ink::Plain, &charset.text(&duration), columns.duration_end);
    let scale = path.unwrap_or(columns.trace);
    if let Some(end) = columns.start_end {
        line.push_right(Ink::Faint, &charset.text(&start(span, scale)), end);
    }
    if columns.bar > 0 {
        let frame = charset.frame(mark);
        let extent = Extent {
            start_ns: span.start_ns,
            end_ns: span.end_ns,
        };
        line.push(Ink::Faint, format!(" {frame}"));
        line.push(mark.into(), draw(extent, scale, columns.bar, mark, charset));
        line.push(Ink::Faint, frame);
    }
    line
}

/// The start of a span on the scale of its bar.
fn start(span: &Span, scale: Extent) -> String {
    match span.start_ns.checked_sub(scale.start_ns) {
        Some(0) => "0".to_owned(),
        Some(after) => format!("+{}", duration(after, 4)),
        None if span.start_ns == 0 => "?".to_owned(),
        None => format!("-{}", duration(scale.start_ns - span.start_ns, 4)),
    }
}

/// `request 84.1 µs: client.stack 4.2 · veth 6.1 · …`
fn summary_row(row: &Row<'_>, hops: &[(Text, u64)], columns: &Columns) -> Line {
    let charset = columns.style.charset;
    let mut line = columns.branch(row.rails);
    line.push(
        Ink::DataPlane,
        format!("{} ", charset.mark(Mark::DataPlane)),
    );
    let whole_ns = row.span.duration_ns();
    let title = format!(
        "{} {}: ",
        path_name(row.span),
        duration(whole_ns, PART_DIGITS)
    );
    line.push(Ink::Plain, charset.text(&title));
    let room = columns.style.width().saturating_sub(line.width());
    let hops = summary::hops(hops, whole_ns, room, charset);
    line.push_fitted(Ink::Faint, &hops, room, charset);
    line
}

fn note(row: &Row<'_>, note: &Note, columns: &Columns, lines: &mut Vec<Line>) {
    let charset = columns.style.charset;
    let room = |line: &Line| columns.style.width().saturating_sub(line.width());
    let mut line = columns.trunk(row);
    line.push_fitted(note.ink, &note.text, room(&line), charset);
    let more = note.more.as_ref().map(|more| charset.text(more));
    match more {
        Some(more) if width(&more) < room(&line) => line.push(note.ink, format!(" {more}")),
        Some(more) if note.more_wraps => {
            let mut second = columns.trunk(row);
            second.push_fitted(note.ink, &more, room(&second), charset);
            lines.extend([line, second]);
            return;
        }
        _ => {}
    }
    lines.push(line);
}
