//! One allocation for equal texts of a batch.

use std::collections::HashMap;

use crate::text::Text;

/// Texts by what they were made of: hop and interface names repeat on most spans.
#[derive(Default)]
pub(crate) struct Names<'a>(HashMap<&'a str, Text>);

impl<'a> Names<'a> {
    pub(crate) fn get(&mut self, raw: &'a str) -> Text {
        self.0
            .entry(raw)
            .or_insert_with(|| Text::clean(raw))
            .clone()
    }
}
