//! How to print. Knows no terminal; the page decides.

use super::glyphs::Charset;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Cells in a line; less than [`Style::MIN_WIDTH`] is taken as that.
    pub width: usize,
    /// Box drawing and block elements, or ASCII.
    pub charset: Charset,
    /// Every hop of every exchange, and no bound on the lines of a trace.
    pub full: bool,
}

impl Style {
    /// Below this nothing but ellipses would be left of the names.
    pub const MIN_WIDTH: usize = 40;

    pub(super) fn width(&self) -> usize {
        self.width.max(Self::MIN_WIDTH)
    }
}
