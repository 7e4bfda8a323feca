//! Derives ids from the trace context and the place of a request in its connection.

use std::fmt::{self, Display, Write};

use sha2::{Digest as _, Sha256};

use crate::http::trace_context::{SpanId, TraceContext};

/// An all-zero id is no span id: the span is the root of its trace.
pub(super) const NO_SPAN: SpanId = SpanId([0; 8]);

/// An id of the exchange whose request starts at TCP sequence number `seq`.
///
/// The same input gives the same id, on each node and at each replay: a batch that is sent twice
/// has the same ids. `part` tells the ids of one exchange apart.
pub(super) fn derive(context: &TraceContext, seq: u32, part: impl Display) -> SpanId {
    let mut hash = Sha256::new();
    hash.update(context.trace_id.0);
    hash.update(context.parent_id.0);
    hash.update(seq.to_be_bytes());
    // Hashes the text without allocating a string. Writing into a hash cannot fail.
    let _ = write!(Hashed(&mut hash), "{part}");
    let digest = hash.finalize();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    // All zero is no span id (W3C Trace Context, section 3.2.2.4).
    if id == [0; 8] {
        id[7] = 1;
    }
    SpanId(id)
}

/// Writes text into a hash.
struct Hashed<'h>(&'h mut Sha256);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::trace_context::TraceId;

    #[test]
    fn the_id_depends_on_every_input() {
        let context = TraceContext {
            trace_id: TraceId([1; 16]),
            parent_id: SpanId([2; 8]),
            flags: 1,
        };
        let other = TraceContext {
            parent_id: SpanId([3; 8]),
            ..context
        };
        let id = derive(&context, 7, "exchange");
        assert_eq!(id, derive(&context, 7, "exchange"));
        assert_ne!(id, derive(&context, 8, "exchange"));
        assert_ne!(id, derive(&context, 7, "request"));
        assert_ne!(id, derive(&other, 7, "exchange"));
    }
}
