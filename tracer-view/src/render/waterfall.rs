//! A tree to a waterfall. In: a tree, a caption and a style. Out: lines: heading, legend, time
//! line, and rows with name, duration, start and bar. Knows no other traces.

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
use super::table::wrap;
use crate::call::Call;
use crate::duration::{PART_DIGITS, count, duration};
use crate::headline::headline;
use crate::id::TraceId;
use crate::span::Span;
use crate::text::{Text, width};
use crate::trace_summary::TraceSummary;
use crate::tree::Tree;

/// Lines of one trace without `full`.
const MAX_LINES: usize = 40;

/// Lines of the heading below the answer, where no clock was off.
const HEADING: usize = 4;

/// Prints one trace. `caption` is the reason why it is printed, or empty.
pub fn waterfall(id: TraceId, tree: &Tree<'_>, caption: &str, style: Style) -> Vec<Line> {
    let answer = answer(tree, style);
    let lines = (!style.full).then(|| MAX_LINES.saturating_sub(answer.len() + HEADING));
    let rows = rows(tree, lines);
    let columns = Columns::new(tree, &rows, style);
    let mut lines = answer;
    lines.extend(heading(id, tree, caption, &columns));
    for row in &rows {
        lines.push(match &row.kind {
            RowKind::Bar { mark, path } => bar_row(row, *mark, *path, &columns),
            RowKind::Summary { hops } => summary_row(row, hops, &columns),
            RowKind::LeftOut { paths, spans } => left_out_row(row, paths, *spans, &columns),
        });
        row.notes
            .iter()
            .for_each(|text| note(row, text, &columns, &mut lines));
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
    let clocks = clocks::lines(tree).into_iter();
    lines.extend(clocks.map(|text| Line::of(Ink::Faint, charset.text(&text))));
    lines.push(legend(columns));
    lines.push(columns.heading());
    lines
        .into_iter()
        .map(|line| line.cut_to(columns.style.width(), charset))
        .collect()
}

/// The answer: how long, how much of it data plane, the longest hops.
fn answer(tree: &Tree<'_>, style: Style) -> Vec<Line> {
    let summary = TraceSummary::of(tree, &Call::all(tree));
    let sentences = headline(tree, &summary).into_iter().zip(0..);
    let lines = sentences.flat_map(|(sentence, number)| {
        let ink = if number == 0 { Ink::Strong } else { Ink::Plain };
        let lines = wrap(&style.charset.text(&sentence), style.width());
        lines.into_iter().map(move |line| Line::of(ink, line))
    });
    lines
        .map(|line| line.cut_to(style.width(), style.charset))
        .collect()
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

/// `connect 219.8 µs · request 98.44 µs · response 209.1 µs`, `… 27 more spans`
fn left_out_row(row: &Row<'_>, paths: &[(Text, u64)], spans: usize, columns: &Columns) -> Line {
    let charset = columns.style.charset;
    let mut line = columns.branch(row.rails);
    let mut parts: Vec<String> = paths
        .iter()
        .map(|(path, ns)| format!("{path} {}", duration(*ns, 4)))
        .collect();
    if !parts.is_empty() {
        line.push(
            Ink::DataPlane,
            format!("{} ", charset.mark(Mark::DataPlane)),
        );
    }
    if spans > 0 {
        let what = if spans == 1 { "span" } else { "spans" };
        parts.push(format!("… {} more {what}", count(spans as u64)));
    }
    let room = columns.style.width().saturating_sub(line.width());
    line.push_fitted(Ink::Faint, &parts.join(" · "), room, charset);
    line
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
