//! Joins the halves of exchanges between nodes. In: the spans of one trace, where each agent sent
//! what its own node saw. Out: the same spans, each id once, on one clock. Pure; knows no tree and
//! no layout.
//!
//! Agents derive the ids of exchange, connect, request and response spans and of `wire` hops from
//! the same facts, so the spans of two nodes have the same ids: there are two copies of each, the
//! client's and the server's. A `wire` hop is a moment in each copy: when the packet left the one
//! node, and when it arrived on the other.
//!
//! | step | module |
//! |---|---|
//! | find the copies of each exchange | `exchange`, `index` |
//! | compare the clocks of the two nodes | `clock`, `interval` |
//! | move the spans of the server's agent to the client's clock | `align` |
//! | join the copies of each span | `join` |
//!
//! After the last step the hops of a path partition it. The application's spans stay as they are.
//! [`merge_requests`] writes the result back into the requests that the spans came from.

mod align;
mod clock;
mod exchange;
mod index;
mod interval;
mod join;
mod otlp;

use std::borrow::Cow;

use crate::span::Span;

pub use otlp::merge_requests;

/// Joins what several agents sent of one exchange. A span without a copy from another agent stays
/// the same, but for its times, where its agent's clock was found to be off.
///
/// Copies nothing where one agent saw everything.
pub fn merge(spans: &[Span]) -> Cow<'_, [Span]> {
    if is_of_one_node(spans) {
        return Cow::Borrowed(spans);
    }
    let joined = join::join(align::align(spans));
    Cow::Owned(joined.into_iter().map(|joined| joined.span).collect())
}

fn is_of_one_node(spans: &[Span]) -> bool {
    let mut measured = spans.iter().filter(|span| span.data_plane().is_some());
    let Some(first) = measured.next() else {
        return true;
    };
    let is_of_first = |span: &Span| span.resource.sender == first.resource.sender;
    first.half().is_none() && measured.all(|span| span.half().is_none() && is_of_first(span))
}
