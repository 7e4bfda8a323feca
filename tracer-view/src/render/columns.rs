//! The columns of a waterfall. In: a style and the rows. Out: the cells of each column, its
//! heading, and the tree lines. Knows of spans only their names.

use super::bar::Extent;
use super::line::{Ink, Line};
use super::name::name;
use super::rows::{Rails, Row, RowKind};
use super::style::Style;
use crate::duration::duration;
use crate::text::width;
use crate::tree::Tree;

/// From the left: the tree with the names, the duration, on wide lines the start, and on all but
/// narrow ones the bar.
pub(super) struct Columns {
    pub(super) style: Style,
    /// The scale of the bars.
    pub(super) trace: Extent,
    /// Cells of the tree.
    pub(super) tree: usize,
    /// The cell at which the durations end.
    pub(super) duration_end: usize,
    /// The cell at which the starts end; `None` without a column of starts.
    pub(super) start_end: Option<usize>,
    /// Cells of the bar between its frames; 0 for no bars.
    pub(super) bar: usize,
}

/// Narrower lines have no column of starts.
const LEAST_WIDTH_WITH_START: usize = 110;

/// Narrower lines have no bars.
const LEAST_WIDTH_WITH_BAR: usize = 60;

const DURATION: usize = 1 + "999.9 ms".len();
const START: usize = 1 + "+999.9 ms".len();
const FRAME: usize = " ||".len();

impl Columns {
    /// The tree gets the cells that its names need, and the bar the rest, at least three tenths of
    /// the line.
    pub(super) fn new(tree: &Tree<'_>, rows: &[Row<'_>], style: Style) -> Self {
        let line = style.width();
        let start = if line >= LEAST_WIDTH_WITH_START {
            START
        } else {
            0
        };
        let with_bar = line >= LEAST_WIDTH_WITH_BAR;
        let least_bar = if with_bar {
            (line * 3 / 10).max(20) + FRAME
        } else {
            0
        };
        let most = line - DURATION - start - least_bar;
        let wanted = rows.iter().filter_map(wanted_cells).max().unwrap_or(0);
        let cells = if with_bar {
            wanted.clamp(most.min(24), most)
        } else {
            most
        };
        let duration_end = cells + DURATION;
        Self {
            style,
            trace: Extent {
                start_ns: tree.start_ns,
                end_ns: tree.end_ns,
            },
            tree: cells,
            duration_end,
            start_end: (start > 0).then_some(duration_end + start),
            bar: if with_bar {
                line - duration_end - start - FRAME
            } else {
                0
            },
        }
    }

    /// The heading: over the bars `0` at the left, the duration of the trace at the right, and
    /// ticks between them.
    pub(super) fn heading(&self) -> Line {
        let charset = self.style.charset;
        let mut line = Line::of(Ink::Faint, "span");
        line.push_right(Ink::Faint, "duration", self.duration_end);
        if let Some(end) = self.start_end {
            line.push_right(Ink::Faint, "start", end);
        }
        if self.bar == 0 {
            return line;
        }
        let from = self.start_end.unwrap_or(self.duration_end) + 2;
        line.pad_to(from);
        line.push(Ink::Faint, "0");
        let ticks = match self.bar {
            80.. => 4,
            40.. => 2,
            _ => 1,
        };
        let whole = self.trace.end_ns - self.trace.start_ns;
        for tick in 1..=ticks {
            let at = (u128::from(whole) * tick as u128 / ticks as u128) as u64;
            let text = duration(at, 4);
            line.push_right(
                Ink::Faint,
                &charset.text(&text),
                from + self.bar * tick / ticks,
            );
        }
        line
    }

    /// The tree lines that end at a span's mark.
    pub(super) fn branch(&self, rails: Rails) -> Line {
        let glyphs = self.style.charset.rails();
        let mut text = self.rails(rails, 1);
        if rails.depth > 0 {
            text.push_str(if rails.open & 1 == 1 {
                glyphs.tee
            } else {
                glyphs.corner
            });
        }
        Line::of(Ink::Faint, text)
    }

    /// The tree lines before a note, up to the cell at which the name of its row begins.
    pub(super) fn trunk(&self, row: &Row<'_>) -> Line {
        let glyphs = self.style.charset.rails();
        let mut text = self.rails(row.rails, 0);
        text.push_str(if row.has_children {
            glyphs.pipe
        } else {
            glyphs.blank
        });
        Line::of(Ink::Faint, text)
    }

    /// The rails of all levels but the innermost `without`. They take at most half of the tree's
    /// cells; of deeper trees the outermost levels are left out.
    fn rails(&self, rails: Rails, without: usize) -> String {
        let glyphs = self.style.charset.rails();
        let levels = rails.depth.min(self.tree / 4).min(64);
        let mut text = String::new();
        for level in (without..levels).rev() {
            let is_cut = level + 1 == levels && levels < rails.depth;
            text.push_str(match rails.open >> level & 1 {
                _ if is_cut => glyphs.deeper,
                1 => glyphs.pipe,
                _ => glyphs.blank,
            });
        }
        text
    }
}

/// The cells that a row's whole name needs; `None` for a row without columns. The rails of deep
/// rows do not count in full.
fn wanted_cells(row: &Row<'_>) -> Option<usize> {
    let cells: usize = name(row.span).iter().map(|(_, piece)| width(piece)).sum();
    let has_columns = matches!(row.kind, RowKind::Bar { .. });
    has_columns.then(|| row.rails.depth.min(16) * 2 + 2 + cells)
}
