//! The last traces, in bounded memory. In: decoded spans and the time they came. Out: traces. Pure: the clock is the
//! caller's. Knows no parents and no names.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::id::{SpanId, TraceId};
use crate::span::{Copied, Span};

/// How much is kept. Beyond it the oldest trace goes first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Traces.
    pub traces: usize,
    /// Spans in all traces together.
    pub spans: usize,
    /// Spans in one trace; further ones are refused, so that one endless trace cannot push out all others.
    pub spans_per_trace: usize,
}

/// What the store did not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans offered.
    pub offered: u64,
    /// Spans that their trace had already: re-sent batches.
    pub duplicates: u64,
    /// Traces dropped to make room.
    pub evicted_traces: u64,
    /// Spans of those traces.
    pub evicted_spans: u64,
    /// Spans refused because their trace was full.
    pub over_trace_limit: u64,
}

/// One trace as far as it has come.
#[derive(Debug)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Its spans in the order they came, each once; of an exchange between nodes each half for itself.
    pub spans: Vec<Span>,
    /// Spans that came when it was full already.
    pub refused: u64,
    /// The place of each id's first span.
    ids: HashMap<SpanId, usize>,
    /// The other copies of ids that have several, of exchanges between nodes.
    copies: HashSet<(SpanId, Copied)>,
    last_arrival: Instant,
    shown_spans: usize,
}

impl Trace {
    /// Spans that came after the trace was last shown; all of them when it never was.
    pub fn new_spans(&self) -> usize {
        self.spans.len() - self.shown_spans
    }

    /// Whether the span is one it has. An agent's copy of what another agent sent is none: each saw its own node.
    fn has(&self, span: &Span) -> bool {
        let Some(first) = self.ids.get(&span.id).and_then(|&at| self.spans.get(at)) else {
            return false;
        };
        match (first.copy(), span.copy()) {
            (Some(first), Some(copy)) => first == copy || self.copies.contains(&(span.id, copy)),
            _ => true,
        }
    }

    fn add(&mut self, span: Span) {
        match self.ids.entry(span.id) {
            Entry::Vacant(vacant) => _ = vacant.insert(self.spans.len()),
            Entry::Occupied(_) => self.copies.extend(span.copy().map(|copy| (span.id, copy))),
        }
        self.spans.push(span);
    }

    /// Whether the trace has been shown before.
    pub fn was_shown(&self) -> bool {
        self.shown_spans > 0
    }
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    traces: HashMap<TraceId, Trace>,
    /// Oldest first, by the arrival of a trace's first span.
    order: VecDeque<TraceId>,
    spans: usize,
    counts: Counts,
}

impl Store {
    /// An empty store. Limits of 0 are taken as 1.
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
            spans: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a batch that came at `now`.
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
                ids: HashMap::new(),
                copies: HashSet::new(),
                last_arrival: now,
                shown_spans: 0,
            }
        });
        trace.last_arrival = now;
        if trace.has(&span) {
            self.counts.duplicates += 1;
        } else if trace.spans.len() >= self.limits.spans_per_trace {
            trace.refused += 1;
            self.counts.over_trace_limit += 1;
        } else {
            trace.add(span);
            self.spans += 1;
        }
        while self.traces.len() > self.limits.traces || self.spans > self.limits.spans {
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
        self.spans -= trace.spans.len();
        self.counts.evicted_traces += 1;
        self.counts.evicted_spans += trace.spans.len() as u64;
    }

    /// Traces with spans not shown yet that nothing has been added to for `quiet`, oldest first.
    pub fn quiet(&self, now: Instant, quiet: Duration) -> Vec<TraceId> {
        let is_quiet = |t: &&Trace| {
            t.new_spans() > 0 && now.saturating_duration_since(t.last_arrival) >= quiet
        };
        self.traces().filter(is_quiet).map(|t| t.id).collect()
    }

    /// Notes that the trace has been shown with all the spans it has now.
    pub fn mark_shown(&mut self, id: TraceId) {
        if let Some(trace) = self.traces.get_mut(&id) {
            trace.shown_spans = trace.spans.len();
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

    /// What was not kept so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
