//! A line of coloured pieces. In: printable pieces. Out: text with or without colour. Everything
//! that the viewer prints is a `Line`, and only `Line` writes escape sequences.

use std::fmt::Write;

use super::glyphs::{Charset, Mark};
use crate::text::{shorten_end, shorten_middle, width};

/// The meaning of a piece of text, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Application,
    DataPlane,
    Hop,
    Problem,
}

impl Ink {
    /// SGR parameters (ECMA-48, section 8.3.117), of the 16 colours that every terminal has.
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Application => Some("36"),
            Self::DataPlane => Some("33"),
            Self::Hop => Some("35"),
            Self::Problem => Some("1;31"),
        }
    }
}

impl From<Mark> for Ink {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Application => Self::Application,
            Mark::DataPlane => Self::DataPlane,
            Mark::Hop => Self::Hop,
        }
    }
}

/// One line, without a line break.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pieces: Vec<(Ink, String)>,
    width: usize,
}

impl Line {
    /// The cells of the line.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The line as text, with SGR colours if `color`.
    pub fn to_text(&self, color: bool) -> String {
        let mut text = String::new();
        for (ink, piece) in &self.pieces {
            match ink.sgr().filter(|_| color) {
                // Writing to a string cannot fail.
                Some(sgr) => _ = write!(text, "\u{1b}[{sgr}m{piece}\u{1b}[0m"),
                None => text.push_str(piece),
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    pub(super) fn of(ink: Ink, piece: impl Into<String>) -> Self {
        let mut line = Self::default();
        line.push(ink, piece);
        line
    }

    pub(super) fn push(&mut self, ink: Ink, piece: impl Into<String>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.width += width(&piece);
            self.pieces.push((ink, piece));
        }
    }

    /// Adds `piece`, cut in its middle to at most `cells`.
    pub(super) fn push_fitted(&mut self, ink: Ink, piece: &str, cells: usize, charset: Charset) {
        self.push(
            ink,
            shorten_middle(&charset.text(piece), cells, charset.ellipsis()),
        );
    }

    /// The line, cut at its end to at most `cells`.
    pub(super) fn cut_to(self, cells: usize, charset: Charset) -> Self {
        if self.width <= cells {
            return self;
        }
        let ellipsis = charset.ellipsis();
        let mut cut = Self::default();
        for (ink, piece) in self.pieces {
            let room = cells.saturating_sub(cut.width + width(ellipsis));
            if width(&piece) > room {
                cut.push(ink, shorten_end(&piece, room + width(ellipsis), ellipsis));
                break;
            }
            cut.push(ink, piece);
        }
        cut
    }

    /// Adds the pieces of a name if they fit in `cells`, else the whole name, cut in its middle and
    /// without colours.
    pub(super) fn push_name(&mut self, pieces: &[(Ink, String)], cells: usize, charset: Charset) {
        let whole: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
        if width(&charset.text(&whole)) > cells {
            self.push_fitted(Ink::Plain, &whole, cells, charset);
            return;
        }
        for (ink, piece) in pieces {
            self.push(*ink, charset.text(piece));
        }
    }

    /// Adds blanks up to `cells`.
    pub(super) fn pad_to(&mut self, cells: usize) {
        self.push(Ink::Plain, " ".repeat(cells.saturating_sub(self.width)));
    }

    /// Adds `piece` so that it ends at `cells`, after at least one blank.
    pub(super) fn push_right(&mut self, ink: Ink, piece: &str, cells: usize) {
        let blanks = cells.saturating_sub(self.width + width(piece)).max(1);
        self.push(Ink::Plain, " ".repeat(blanks));
        self.push(ink, piece);
    }
}
