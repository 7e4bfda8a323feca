//! Requests to what the viewer prints.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tracer_view::merge::merge;
use tracer_view::render::{Charset, Line, Style, waterfall};
use tracer_view::tree::Tree;

use crate::decoded::{WIDE, store};

/// In Unicode, 80 cells wide.
pub(crate) const UTF8_80: Style = Style {
    width: 80,
    charset: Charset::Utf8,
    full: false,
};
/// In Unicode, 200 cells wide.
pub(crate) const UTF8_200: Style = Style {
    width: 200,
    ..UTF8_80
};

/// In ASCII.
pub(crate) const fn ascii(width: usize) -> Style {
    Style {
        width,
        charset: Charset::Ascii,
        full: false,
    }
}

/// Lines as text.
pub(crate) fn text(lines: &[Line], color: bool) -> String {
    lines
        .iter()
        .map(|line| line.to_text(color) + "\n")
        .collect()
}

/// The waterfalls of all traces in `requests`.
pub(crate) fn lines(requests: &[ExportTraceServiceRequest], style: Style) -> Vec<Line> {
    let store = store(requests, WIDE);
    let lines = store.traces().flat_map(|trace| {
        let spans = merge(&trace.spans);
        waterfall(trace.id, &Tree::new(&spans), "", style)
    });
    let lines: Vec<Line> = lines.collect();
    check_widths(&lines, style);
    lines
}

/// No line may be wider than the style allows.
pub(crate) fn check_widths(lines: &[Line], style: Style) {
    for line in lines {
        let text = line.to_text(false);
        assert!(
            line.width() <= style.width,
            "{} cells: {text}",
            line.width()
        );
    }
}

/// The same waterfalls as text without colour.
pub(crate) fn printed(requests: &[ExportTraceServiceRequest], style: Style) -> String {
    text(&lines(requests, style), false)
}
