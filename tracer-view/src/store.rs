//! The last traces, in bounded memory. In: decoded spans and the time of their arrival. Out:
//! traces. Pure: the caller passes the time. Knows no parents and no names.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::id::{SpanId, TraceId};
use crate::span::Span;

/// How much is kept. When more comes, the oldest trace is dropped first. A hop that is a part of an
/// attribute takes as much room as a span, and counts as one.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Number of traces.
    pub traces: usize,
    /// Number of spans in all traces together.
    pub spans: usize,
    /// Number of spans in one trace; more are refused, so that an endless trace cannot evict the
    /// others.
    pub spans_per_trace: usize,
}

/// Spans that were offered, and those that are not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans offered.
    pub offered: u64,
    /// Spans that were sent again.
    pub duplicates: u64,
    /// Traces dropped to make room.
    pub evicted_traces: u64,
    /// Spans of those traces.
    pub evicted_spans: u64,
    /// Spans refused because their trace was full.
    pub over_trace_limit: u64,
}

/// The spans of one trace that have arrived.
#[derive(Debug)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Its spans in the order of arrival, each once. The halves of exchanges between nodes are not
    /// merged.
    pub spans: Vec<Span>,
    /// Spans that arrived when it was full.
    pub refused: u64,
    ids: HashSet<SpanId>,
    /// Spans, and hops that are a part of an attribute.
    size: usize,
    last_arrival: Instant,
    printed_spans: usize,
}

impl Trace {
    /// Spans that arrived after the trace was last printed; all of them when it was not printed
    /// yet.
    pub fn new_spans(&self) -> usize {
        self.spans.len() - self.printed_spans
    }

    /// Whether the trace was printed before.
    pub fn was_printed(&self) -> bool {
        self.printed_spans > 0
    }
}

/// The traces, oldest first.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    traces: HashMap<TraceId, Trace>,
    /// Oldest first, by the arrival of a trace's first span.
    order: VecDeque<TraceId>,
    size: usize,
    counts: Counts,
}

impl Store {
    /// An empty store. A limit of 0 counts as 1.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            traces: limits.traces.max(1),
            spans: limits.spans.max(1),
            spans_per_trace: limits.spans_per_trace.clamp(1, limits.spans.max(1)),
        };
        Self {
            limits,
            traces: HashMap::new(),
            order: VecDeque::new(),
            size: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a batch that arrived at `now`.
    pub fn insert(&mut self, batch: Vec<(TraceId, Span)>, now: Instant) {
        for (id, span) in batch {
            self.insert_span(id, span, now);
        }
    }

    fn insert_span(&mut self, id: TraceId, span: Span, now: Instant) {
        self.counts.offered += 1;
        let trace = self.traces.entry(id).or_insert_with(|| {
            self.order.push_back(id);
            Trace {
                id,
                spans: Vec::new(),
                refused: 0,
                ids: HashSet::new(),
                size: 0,
                last_arrival: now,
                printed_spans: 0,
            }
        });
        trace.last_arrival = now;
        let size = 1 + span.hops().len();
        if trace.ids.contains(&span.id) {
            self.counts.duplicates += 1;
        } else if trace.size + size > self.limits.spans_per_trace {
            trace.refused += 1;
            self.counts.over_trace_limit += 1;
        } else {
            trace.ids.insert(span.id);
            trace.spans.push(span);
            trace.size += size;
            self.size += size;
        }
        while self.traces.len() > self.limits.traces || self.size > self.limits.spans {
            self.evict_oldest();
        }
    }

    fn evict_oldest(&mut self) {
        let Some(trace) = self
            .order
            .pop_front()
            .and_then(|id| self.traces.remove(&id))
        else {
            return;
        };
        self.size -= trace.size;
        self.counts.evicted_traces += 1;
        self.counts.evicted_spans += trace.spans.len() as u64;
    }

    /// Traces with spans that were not printed yet and without a new span for `quiet`, oldest
    /// first.
    pub fn quiet(&self, now: Instant, quiet: Duration) -> Vec<TraceId> {
        let is_quiet = |t: &&Trace| {
            t.new_spans() > 0 && now.saturating_duration_since(t.last_arrival) >= quiet
        };
        self.traces().filter(is_quiet).map(|t| t.id).collect()
    }

    /// Records that all spans that the trace has now were printed.
    pub fn mark_printed(&mut self, id: TraceId) {
        if let Some(trace) = self.traces.get_mut(&id) {
            trace.printed_spans = trace.spans.len();
        }
    }

    /// One trace.
    pub fn get(&self, id: TraceId) -> Option<&Trace> {
        self.traces.get(&id)
    }

    /// All traces, oldest first.
    pub fn traces(&self) -> impl Iterator<Item = &Trace> {
        self.order.iter().filter_map(|id| self.traces.get(id))
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
