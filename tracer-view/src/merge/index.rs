//! The spans of a trace by id and by parent. In: spans. Out: their positions in the slice.

use std::collections::HashMap;

use crate::id::SpanId;
use crate::span::Span;

pub(super) struct Index<'a> {
    pub(super) spans: &'a [Span],
    /// The data-plane spans with an id: more than one where several agents sent it.
    copies: HashMap<SpanId, Vec<usize>>,
    /// The data-plane spans with an id as their parent.
    children: HashMap<SpanId, Vec<usize>>,
    application: HashMap<SpanId, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(spans: &'a [Span]) -> Self {
        let mut index = Self {
            spans,
            copies: HashMap::new(),
            children: HashMap::new(),
            application: HashMap::new(),
        };
        for (at, span) in spans.iter().enumerate() {
            if span.data_plane().is_none() {
                index.application.entry(span.id).or_insert(at);
                continue;
            }
            index.copies.entry(span.id).or_default().push(at);
            if let Some(parent) = span.parent {
                index.children.entry(parent).or_default().push(at);
            }
        }
        index
    }

    /// The data-plane spans of each id, in any order.
    pub(super) fn copies(&self) -> impl Iterator<Item = (SpanId, &[usize])> {
        let copies = self.copies.iter();
        copies.map(|(id, positions)| (*id, positions.as_slice()))
    }

    /// The data-plane spans whose parent is `id`.
    pub(super) fn children(&self, id: SpanId) -> &[usize] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The application's span with this id.
    pub(super) fn application(&self, id: SpanId) -> Option<&'a Span> {
        self.spans.get(*self.application.get(&id)?)
    }
}
