//! Trees and comparisons to lines of text. In: a tree or a comparison, and a style. Out: lines no
//! wider than the style allows. Pure; knows no terminal: width, character set and colour are
//! parameters.

mod bar;
mod clocks;
mod columns;
mod date;
mod fold;
mod glyphs;
mod line;
mod losses;
mod name;
mod note;
mod rows;
mod style;
mod summary;
mod table;
mod waterfall;

pub(crate) use date::date;
pub use glyphs::Charset;
pub use line::Line;
pub use losses::{Losses, losses};
pub(crate) use losses::{loss_sentences, problems};
pub use style::Style;
pub(crate) use table::heading;
pub use table::table;
pub use waterfall::waterfall;
