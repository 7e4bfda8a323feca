//! The parent span in the trace context of a test's request, which is never exported. Out: ids that
//! no other request of the test program has, and the spans below them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Exchange, Trace, Traces};

/// The ids of a caller's span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// 16 lower-case hexadecimal digits.
    pub span_id: String,
}

impl Parent {
    /// Ids that no other request of this process has.
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            trace_id: format!("5eed{number:028x}"),
            span_id: format!("ca11{number:012x}"),
        }
    }

    /// The value of a traceparent header (W3C Trace Context level 1), sampled.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }

    /// Its trace.
    ///
    /// # Panics
    /// When no span of it arrived.
    pub fn trace<'t>(&self, traces: &'t Traces) -> &'t Trace {
        traces
            .0
            .get(&self.trace_id)
            .unwrap_or_else(|| panic!("no span of {self:?}"))
    }

    /// All exchanges of its trace, in the order of their start. Checks that it is the parent of
    /// each.
    pub fn exchanges<'t>(&self, traces: &'t Traces) -> Vec<Exchange<'t>> {
        let exchanges = self.trace(traces).exchanges();
        for exchange in &exchanges {
            assert_eq!(exchange.parent_id, self.span_id, "{exchange:?}");
        }
        exchanges
    }

    /// The only exchange of its trace.
    pub fn exchange<'t>(&self, traces: &'t Traces) -> Exchange<'t> {
        let mut exchanges = self.exchanges(traces);
        assert_eq!(exchanges.len(), 1, "exchanges of {self:?}: {exchanges:#?}");
        exchanges.remove(0)
    }
}
