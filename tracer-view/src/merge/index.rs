//! The spans of a trace by id and by parent. In: spans. Out: their positions in the slice.

use std::collections::HashMap;

use tracer_semconv::{HopName, Role};

use crate::id::SpanId;
use crate::span::{DataPlane, Span};

pub(super) struct Index<'a> {
    pub(super) spans: &'a [Span],
    /// The hops with an id as their parent.
    hops: HashMap<SpanId, Vec<usize>>,
    application: HashMap<SpanId, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(spans: &'a [Span]) -> Self {
        let mut index = Self {
            spans,
            hops: HashMap::new(),
            application: HashMap::new(),
        };
        for (at, span) in spans.iter().enumerate() {
            if span.data_plane().is_none() {
                index.application.entry(span.id).or_insert(at);
            }
            if let (Some(Role::Hop), Some(parent)) = (span.role(), span.parent) {
                index.hops.entry(parent).or_default().push(at);
            }
        }
        index
    }

    /// The hops of the path at this position.
    pub(super) fn hops(&self, path: usize) -> &[usize] {
        self.hops
            .get(&self.spans[path].id)
            .map_or(&[], Vec::as_slice)
    }

    /// The hop of a connect from the SYN's leaving the client's node to the SYN-ACK's arrival.
    pub(super) fn wire(&self, connect: usize) -> Option<usize> {
        let wires = self.hops(connect).iter().copied().filter(|&at| {
            let data_plane = self.spans[at].data_plane();
            data_plane.is_some_and(DataPlane::is_wire)
        });
        wires.min_by_key(|&at| (self.spans[at].start_ns, self.spans[at].id))
    }

    /// The rest of a response's body, as the node of this path saw it.
    pub(super) fn body(&self, response: usize) -> Option<usize> {
        let is_body = |at: &usize| {
            let data_plane = self.spans[*at].data_plane();
            data_plane.is_some_and(|hop| hop.is_hop(HopName::Body))
        };
        let bodies = self.hops(response).iter().copied().filter(is_body);
        bodies.max_by_key(|&at| (self.spans[at].start_ns, self.spans[at].id))
    }

    /// The application's span with this id.
    pub(super) fn application(&self, id: SpanId) -> Option<&'a Span> {
        self.spans.get(*self.application.get(&id)?)
    }
}
