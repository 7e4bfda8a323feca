//! Width, character set and detail of what is printed.

use super::glyphs::Charset;

/// How waterfalls and tables are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Terminal cells in a line, at least [`Style::MIN_WIDTH`].
    pub width: usize,
    /// Unicode with box drawing and block elements, or ASCII.
    pub charset: Charset,
    /// Whether every hop of every exchange has a row, without a bound on the rows of a trace.
    pub full: bool,
}

impl Style {
    /// In narrower lines, names would be nothing but ellipses.
    pub const MIN_WIDTH: usize = 40;

    pub(super) fn width(&self) -> usize {
        self.width.max(Self::MIN_WIDTH)
    }
}
