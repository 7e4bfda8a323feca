//! A set of traces as the page sees it. In: what changed in a store. Out: rows since a version, and
//! comparisons. Each trace is worked out once for each change, not once for each request. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::comparison::comparison;
use super::model::{Comparison, TraceList, TraceRow};
use super::row::{row, samples};
use crate::call::Call;
use crate::call_sample::CallSample;
use crate::compare::{self, Calls};
use crate::id::TraceId;
use crate::merge::merge;
use crate::span::Span;
use crate::store::Store;
use crate::trace_summary::TraceSummary;
use crate::tree::Tree;

/// A page that is further behind than so many dropped traces gets all rows again.
const REMEMBERED: usize = 4_096;

/// The state of a store, and the traces that changed after an earlier one.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The store's version.
    version: u64,
    /// All traces, oldest first.
    kept: Vec<TraceId>,
    changed: Vec<Changed>,
}

#[derive(Debug)]
struct Changed {
    trace: TraceId,
    spans: Arc<Vec<Span>>,
    refused: u64,
}

impl Changes {
    /// Copies nothing of the spans.
    pub(crate) fn after(store: &Store, version: u64) -> Self {
        let changed = store.traces().filter(|trace| trace.changed > version);
        Self {
            version: store.version(),
            kept: store.traces().map(|trace| trace.id).collect(),
            changed: changed
                .map(|trace| Changed {
                    trace: trace.id,
                    spans: Arc::clone(&trace.spans),
                    refused: trace.refused,
                })
                .collect(),
        }
    }
}

/// The rows and calls of a set.
#[derive(Debug)]
pub(crate) struct SetView {
    /// The first version, so that a page of an earlier viewer is found to be behind.
    base: u64,
    /// Of the store, as of the last update.
    version: u64,
    order: Vec<TraceId>,
    traces: HashMap<TraceId, Entry>,
    removed: VecDeque<(u64, TraceId)>,
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    changed: u64,
    start_ns: u64,
    row: TraceRow,
    calls: Vec<CallSample>,
}

/// A window of time: from the first nanosecond to the last, of the starts of traces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

impl SetView {
    /// `base` is larger than every version of an earlier viewer.
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            version: 0,
            order: Vec::new(),
            traces: HashMap::new(),
            removed: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// The store's version as of the last update.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The number of traces.
    pub(crate) fn traces(&self) -> usize {
        self.order.len()
    }

    /// Takes the changes after [`Self::version`].
    pub(crate) fn update(&mut self, changes: Changes) {
        self.version = changes.version;
        for changed in &changes.changed {
            self.traces
                .insert(changed.trace, Entry::of(changed, changes.version));
        }
        let kept: HashSet<TraceId> = changes.kept.iter().copied().collect();
        for gone in self.order.iter().filter(|id| !kept.contains(id)) {
            self.traces.remove(gone);
            self.removed.push_back((changes.version, *gone));
        }
        while self.removed.len() > REMEMBERED {
            let forgotten = self.removed.pop_front();
            self.forgotten = forgotten.map_or(self.forgotten, |(version, _)| version);
        }
        self.order = changes.kept;
    }

    /// What a page that has version `after` does not have yet.
    pub(crate) fn list(&self, after: Option<u64>, losses: Vec<String>) -> TraceList<&TraceRow> {
        let known = after.and_then(|after| after.checked_sub(self.base));
        let known = known.filter(|&known| known <= self.version && known >= self.forgotten);
        let entries = self.order.iter().filter_map(|id| self.traces.get(id));
        let new = entries.filter(|entry| known.is_none_or(|known| entry.changed > known));
        let removed = self.removed.iter();
        let removed = removed.filter(|(version, _)| known.is_some_and(|known| *version > known));
        TraceList {
            version: self.base + self.version,
            whole: known.is_none(),
            rows: new.map(|entry| &entry.row).collect(),
            removed: removed.map(|(_, trace)| trace.to_string()).collect(),
            losses,
        }
    }

    /// All rows, oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &TraceRow> {
        let entries = self.order.iter().filter_map(|id| self.traces.get(id));
        entries.map(|entry| &entry.row)
    }

    /// The comparison over all traces.
    pub(crate) fn comparison(&self) -> compare::Comparison {
        let entries = self.order.iter().filter_map(|id| self.traces.get(id));
        let mut calls = Calls::default();
        entries.for_each(|entry| calls.add(&entry.calls));
        calls.compare()
    }

    /// The comparison over the traces that start within the window.
    pub(crate) fn compare(&self, window: Window) -> Comparison {
        let within: Vec<&Entry> = self
            .order
            .iter()
            .filter_map(|id| self.traces.get(id))
            .filter(|entry| (window.from_ns..=window.to_ns).contains(&entry.start_ns))
            .collect();
        let mut calls = Calls::default();
        within.iter().for_each(|entry| calls.add(&entry.calls));
        let starts = || within.iter().map(|entry| entry.start_ns);
        comparison(&calls.compare(), starts().min().zip(starts().max()))
    }
}

impl Window {
    /// All time.
    pub(crate) const WHOLE: Self = Self {
        from_ns: 0,
        to_ns: u64::MAX,
    };
}

impl Entry {
    fn of(changed: &Changed, version: u64) -> Self {
        let spans = merge(&changed.spans);
        let tree = Tree::new(&spans);
        let calls = Call::all(&tree);
        let summary = TraceSummary::of(&tree, &calls);
        Self {
            changed: version,
            start_ns: tree.start_ns,
            row: row(changed.trace, &tree, &summary, changed.refused),
            calls: samples(changed.trace, &tree, &calls),
        }
    }
}
