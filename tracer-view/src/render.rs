//! Trees and comparisons to lines of text. In: a tree or a comparison, and a style. Out: lines no wider than the style says.
//! Pure; knows no terminal: width, character set and colour are given.

mod bar;
mod clocks;
mod columns;
mod date;
mod duration;
mod glyphs;
mod line;
mod losses;
mod name;
mod note;
mod rows;
mod summary;
mod table;
mod waterfall;

pub use glyphs::Charset;
pub use line::Line;
pub use losses::{Losses, losses};
pub use table::table;
pub use waterfall::waterfall;

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

    fn width(&self) -> usize {
        self.width.max(Self::MIN_WIDTH)
    }
}
