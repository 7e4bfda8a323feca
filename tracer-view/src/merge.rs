//! Joins the halves of exchanges between nodes. In: the spans of one trace, where each agent sent
//! what its own node saw. Out: the same spans on one clock, the two halves of a path as one span, and
//! a span for every hop. Pure; knows no tree and no layout.
//!
//! `hopspan.exchange.id` and `hopspan.half` show which spans are halves of one path. The time on the
//! wire has no span in a request or response: it is what lies between the two halves. In a connect
//! the client's node sees when the SYN leaves and when the SYN-ACK arrives, and the server's half
//! lies between them.
//!
//! | step | module |
//! |---|---|
//! | a span for each hop that is a part of an attribute | `hops` |
//! | find the halves of each exchange | `halves`, `index` |
//! | compare the clocks of the two nodes | `clock`, `interval` |
//! | move the spans of the server's agent to the client's clock | `align` |
//! | join the halves of each path | `join`, `facts`, `wire` |
//!
//! After the last step the hops of a path partition it. The application's spans stay as they are.
//! [`merge_requests`] writes the result back into the requests that the spans came from.

mod align;
mod clock;
mod facts;
mod halves;
mod hops;
mod index;
mod interval;
mod join;
mod otlp;
mod wire;
mod write;

use std::borrow::Cow;

use crate::span::Span;

pub use otlp::merge_requests;

/// Joins what several agents sent of one exchange. A half without the other stays the same, but for
/// its times, where its agent's clock was found to be off.
///
/// Copies nothing where one agent saw everything and every hop has a span.
pub fn merge(spans: &[Span]) -> Cow<'_, [Span]> {
    let changes = |span: &Span| span.half().is_some() || !span.hops().is_empty();
    if !spans.iter().any(changes) {
        return Cow::Borrowed(spans);
    }
    let joined = join::join(spans).joined.into_iter();
    Cow::Owned(joined.map(|joined| joined.span).collect())
}
