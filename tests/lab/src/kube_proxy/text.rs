//! Lines of text.

use std::fmt::{Arguments, Write};

/// Adds a line.
pub(super) fn push(text: &mut String, line: Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
