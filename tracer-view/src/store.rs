//! The last traces, in bounded memory. In: decoded spans and the time of their arrival. Out:
//! traces. Pure: the caller passes the time. Knows no parents and no names.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

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
    /// Bytes of all [`Source`]s together; 0 keeps none. One trace has at most a twentieth.
    pub source_bytes: usize,
}

/// A part of a trace as it was received: an encoded `ExportTraceServiceRequest`.
pub type Source = Bytes;

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
    /// merged. A reader may keep them; the store then copies them when more come.
    pub spans: Arc<Vec<Span>>,
    /// The same spans with all that was received of them. A span that was sent again is there again.
    pub sources: Vec<Source>,
    /// Spans that arrived when it was full.
    pub refused: u64,
    /// The store's version after the last change.
    pub changed: u64,
    source_bytes: usize,
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
    source_bytes: usize,
    version: u64,
    counts: Counts,
}

impl Store {
    /// An empty store. A limit of 0 counts as 1.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            traces: limits.traces.max(1),
            spans: limits.spans.max(1),
            spans_per_trace: limits.spans_per_trace.clamp(1, limits.spans.max(1)),
            source_bytes: limits.source_bytes,
        };
        Self {
            limits,
            traces: HashMap::new(),
            order: VecDeque::new(),
            size: 0,
            source_bytes: 0,
            version: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a batch that arrived at `now`.
    pub fn insert(&mut self, batch: Vec<(TraceId, Span)>, now: Instant) {
        self.version += 1;
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
                spans: Arc::default(),
                sources: Vec::new(),
                refused: 0,
                changed: self.version,
                source_bytes: 0,
                ids: HashSet::new(),
                size: 0,
                last_arrival: now,
                printed_spans: 0,
            }
        });
        trace.last_arrival = now;
        trace.changed = self.version;
        let size = 1 + span.hops().len();
        if trace.ids.contains(&span.id) {
            self.counts.duplicates += 1;
        } else if trace.size + size > self.limits.spans_per_trace {
            trace.refused += 1;
            self.counts.over_trace_limit += 1;
        } else {
            trace.ids.insert(span.id);
            Arc::make_mut(&mut trace.spans).push(span);
            trace.size += size;
            self.size += size;
        }
        self.evict();
    }

    /// Keeps what was received of spans that were inserted before. A trace that has too much already
    /// does without.
    pub fn insert_sources(&mut self, sources: Vec<(TraceId, Source)>) {
        for (id, source) in sources {
            let Some(trace) = self.traces.get_mut(&id) else {
                continue;
            };
            if trace.source_bytes + source.len() <= self.limits.source_bytes / 20 {
                trace.source_bytes += source.len();
                self.source_bytes += source.len();
                trace.sources.push(source);
                self.evict();
            }
        }
    }

    /// Drops the oldest traces until the others are within the limits.
    fn evict(&mut self) {
        while self.traces.len() > self.limits.traces
            || self.size > self.limits.spans
            || self.source_bytes > self.limits.source_bytes
        {
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
        self.source_bytes -= trace.source_bytes;
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

    /// Grows with each batch.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
