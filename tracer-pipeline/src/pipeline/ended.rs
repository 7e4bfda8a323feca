//! From ended exchanges and failed connects to spans.
//!
//! In: exchanges and failed connects, and what is known of the node. Out: spans, once the names of both
//! parties are known or the wait for them is over; no spans for what is shed.

use std::ops::Range;

use crate::{
    http::{Exchange, FailedConnect, Served},
    identity::{
        directory::PartyKey,
        name_queue::NameQueue,
        served_requests::{Correlation, ServedRequests},
    },
    span::{
        Context, DetailChoice, Edge, EdgeMetrics, ExchangeTrace, FailedConnectLimit, Failures,
        Measured, NamedConnect, NamedExchange, Span, SpanSource, Untraced, sides,
    },
};

use super::{Counts, SpanSink, known::Known, shedding::Shedding};

/// An exchange or failed connect, with its parties.
#[derive(Debug)]
struct Over {
    item: SpanSource,
    sides: [PartyKey; 2],
}

/// The state between the end of an exchange and its spans.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) serving: ServedRequests,
    pub(super) untraced: Untraced,
    pub(super) allowance: FailedConnectLimit,
    pub(super) shedding: Shedding,
    pub(super) failures: Failures,
    pub(super) detail: DetailChoice,
    pub(super) edges: EdgeMetrics,
    /// Exchanges without a sampled trace context are measured too.
    pub(super) measures_unsampled: bool,
    /// When requests were followed for those who watch, by the time at which they began; nanoseconds
    /// of `CLOCK_MONOTONIC`.
    pub(super) for_watch: Range<u64>,
    waiting: NameQueue<Over>,
    counts: Counts,
}

impl Ended {
    /// With this limit on failed connects.
    pub(super) fn new(allowance: FailedConnectLimit) -> Self {
        Self {
            serving: ServedRequests::default(),
            untraced: Untraced::default(),
            allowance,
            shedding: Shedding::default(),
            failures: Failures::default(),
            detail: DetailChoice::default(),
            edges: EdgeMetrics::default(),
            measures_unsampled: false,
            for_watch: 0..0,
            waiting: NameQueue::default(),
            counts: Counts::default(),
        }
    }

    /// The counters of this stage; all others are zero.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            untraced_left_out: self.untraced.left_out(),
            failed_connects_left_out: self.allowance.left_out(),
            shed: self.shedding.shed(),
            ..self.counts
        }
    }

    /// Advances the time.
    pub(super) fn set_now(&mut self, now_ns: u64) {
        self.serving.set_now(now_ns);
        self.waiting.set_now(now_ns);
        self.edges.set_now(now_ns);
    }

    /// Takes an ended exchange.
    pub(super) fn exchange(&mut self, exchange: Exchange, known: &Known, out: &mut dyn SpanSink) {
        self.serving.add_finished(&exchange);
        if self.trace(&exchange).is_some() {
            self.named(Over::from(SpanSource::Exchange(exchange)), known, out);
            return;
        }
        // The common case: no spans, so no names are waited for or looked up.
        let context = known.context();
        self.count(&exchange, &context);
        let trace = self.untraced.begin(&exchange);
        let is_measured = trace.is_some() || self.measures(&exchange);
        let is_watched = trace.is_none() && out.takes_summary(false);
        if !is_measured && !is_watched {
            return;
        }
        let sides = sides(&exchange);
        if let Some(trace) = trace {
            let named = NamedExchange::new(&exchange, &sides, &context);
            self.export_exchange(&named, trace, out);
            return;
        }
        if is_measured {
            let measured = Measured::new(&exchange, &sides, &context);
            self.edges.exchange(&measured);
        }
        if is_watched {
            let named = NamedExchange::new(&exchange, &sides, &context);
            out.summary(&named.summary(None));
        }
    }

    /// Takes failed connects. Looks for the request that each was made for, among `open` ones too.
    pub(super) fn failed_connects(
        &mut self,
        failed: Vec<FailedConnect>,
        open: &[Served],
        known: &Known,
        out: &mut dyn SpanSink,
    ) {
        for failed in failed {
            if !failed.is_failure() {
                self.counts.connects_cancelled += 1;
                continue;
            }
            self.counts.failed_connects += 1;
            self.failures.failed_connect(&failed, &known.context());
            if !self.allowance.take(&failed.socket) {
                continue;
            }
            let correlation = self.serving.correlate(&failed.socket, open, &known.who);
            let is_inferred = matches!(correlation, Correlation::Inferred(_));
            self.counts.failed_connects_inferred += u64::from(is_inferred);
            let over = Over::from(SpanSource::FailedConnect(failed, correlation));
            self.named(over, known, out);
        }
    }

    /// Makes the spans if all names are known; otherwise queues `over`.
    fn named(&mut self, over: Over, known: &Known, out: &mut dyn SpanSink) {
        if over.is_settled(known) {
            self.make(&over, known, out);
        } else if let Some(first) = self.waiting.push(over) {
            self.counts.exchanges_unnamed += 1;
            self.make(&first, known, out);
        }
    }

    /// Makes the spans of queued items whose names are known now, or whose wait is over.
    pub(super) fn waited(&mut self, known: &mut Known, out: &mut dyn SpanSink) {
        if self.waiting.is_empty() {
            return;
        }
        let taken = self.waiting.take(|over| over.is_settled(known));
        for (over, _) in taken.iter().filter(|(_, in_vain)| *in_vain) {
            self.counts.exchanges_unnamed += 1;
            over.sides
                .iter()
                .for_each(|side| known.who.stop_waiting_for(side));
        }
        for (over, _) in &taken {
            self.make(over, known, out);
        }
    }

    /// Makes the spans of all queued items: no more names will come.
    pub(super) fn finish(&mut self, known: &Known, out: &mut dyn SpanSink) {
        for over in self.waiting.finish() {
            self.make(&over, known, out);
        }
    }

    fn make(&mut self, over: &Over, known: &Known, out: &mut dyn SpanSink) {
        let context = known.context();
        match &over.item {
            SpanSource::Exchange(exchange) => {
                self.count(exchange, &context);
                if let Some(trace) = self.trace(exchange) {
                    let named = NamedExchange::new(exchange, &over.sides, &context);
                    self.export_exchange(&named, trace, out);
                }
            }
            SpanSource::FailedConnect(failed, correlation) => {
                let named = NamedConnect::new(failed, correlation, &over.sides, &context);
                self.made(&named.edge(), named.spans(&self.detail), out);
                if out.takes_summary(true) {
                    out.summary(&named.summary());
                }
            }
        }
    }

    /// The trace that an exchange names. None by the response of a request of HTTP/1 that may have been
    /// followed for those who watch.
    fn trace(&self, exchange: &Exchange) -> Option<ExchangeTrace> {
        let trace = ExchangeTrace::of(exchange)?;
        let is_by_response = matches!(trace, ExchangeTrace::Server(_));
        let may_be_for_watch = self.for_watch.contains(&exchange.request.journey.start_ns);
        let is_for_watch = may_be_for_watch && exchange.is_http1() && !self.measures(exchange);
        (!(is_by_response && is_for_watch)).then_some(trace)
    }

    fn count(&mut self, exchange: &Exchange, context: &Context<'_>) {
        self.counts.exchanges += 1;
        self.failures.exchange(exchange, context);
    }

    /// Whether an exchange without a sampled trace context is measured.
    fn measures(&self, exchange: &Exchange) -> bool {
        self.measures_unsampled || self.untraced.is_meant(exchange)
    }

    /// Makes the spans of an exchange unless it is shed. Measures it in any case.
    fn export_exchange(
        &mut self,
        named: &NamedExchange<'_>,
        trace: ExchangeTrace,
        out: &mut dyn SpanSink,
    ) {
        let edge = named.edge();
        let Some(shed) = self.shedding.admit(&edge, named.ended_ns()) else {
            self.edges.exchange(&named.measured(None));
            return;
        };
        self.counts.exchanges_traced += 1;
        let spans = named.spans(trace, shed, &mut self.detail);
        self.edges.exchange(&named.measured(Some(&spans)));
        self.made(&edge, spans, out);
        if out.takes_summary(true) {
            out.summary(&named.summary(Some(trace)));
        }
    }

    fn made(&mut self, edge: &Edge, spans: Vec<Span>, out: &mut dyn SpanSink) {
        self.counts.spans += spans.len() as u64;
        out.add(edge, spans);
    }
}

impl Over {
    fn is_settled(&self, known: &Known) -> bool {
        self.sides.iter().all(|side| known.who.is_resolved(side))
    }
}

impl From<SpanSource> for Over {
    fn from(item: SpanSource) -> Self {
        Self {
            sides: item.sides(),
            item,
        }
    }
}
