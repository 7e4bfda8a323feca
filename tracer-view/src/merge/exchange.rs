//! The halves of an exchange. In: the index of a trace. Out: for each exchange of which there is a
//! half, the positions of its halves and of everything that the server's agent sent for it.

use std::collections::HashSet;

use tracer_semconv::{Role, Side};

use super::index::Index;
use crate::id::SpanId;
use crate::span::Span;

/// One exchange; spans by their position in the trace.
pub(super) struct Exchange {
    pub(super) id: SpanId,
    pub(super) client_half: Option<usize>,
    pub(super) server_half: Option<usize>,
    /// The server's half and everything below it from the same agent.
    pub(super) of_server: Vec<usize>,
}

impl Exchange {
    pub(super) fn all(index: &Index<'_>) -> Vec<Self> {
        let exchanges = index.copies().map(|(id, copies)| {
            let half = |side| {
                let mut copies = copies.iter().copied();
                copies.find(|&at| is_half(&index.spans[at], side))
            };
            (id, half(Side::Client), half(Side::Server))
        });
        let with_half =
            exchanges.filter(|(_, client, server)| client.is_some() || server.is_some());
        let exchange = |(id, client_half, server_half): (_, _, Option<usize>)| Self {
            id,
            client_half,
            server_half,
            of_server: server_half.map_or_else(Vec::new, |at| from_same_agent(at, index)),
        };
        with_half.map(exchange).collect()
    }
}

fn is_half(span: &Span, side: Side) -> bool {
    span.role() == Some(Role::Exchange) && span.half() == Some(side)
}

/// A half and the spans below it that its own agent sent. Exchanges below it are left out, they
/// have spans of their own; so each span is visited for one exchange only, however deep they are
/// nested.
fn from_same_agent(half: usize, index: &Index<'_>) -> Vec<usize> {
    let spans = index.spans;
    let sender = &spans[half].resource.sender;
    let (mut found, mut open) = (vec![half], vec![spans[half].id]);
    // Ids come from outside and may form a cycle.
    let mut visited: HashSet<SpanId> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        for &at in index.children(id) {
            let is_own = spans[at].resource.sender == *sender;
            if is_own && spans[at].role() != Some(Role::Exchange) {
                found.push(at);
                if visited.insert(spans[at].id) {
                    open.push(spans[at].id);
                }
            }
        }
    }
    found
}
