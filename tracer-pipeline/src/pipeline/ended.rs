//! What has ended, on its way to spans.
//!
//! In: exchanges and failed connects, and what is known. Out: the spans of those that are told: once the
//! names of who took part are known, or were waited for in vain; and not of those that are shed.

use crate::{
    http::{Exchange, FailedConnect, Served},
    identity::{
        directory::PartyKey,
        name_queue::NameQueue,
        served_requests::{Correlation, ServedRequests},
    },
    span::{
        Context, FailedConnectLimit, Failures, Span, SpanSource, Traced, Untraced,
        failed_connect_spans, sides,
    },
};

use super::{Counts, known::Known, shedding::Shedding};

/// Something that is over, and who took part in it.
#[derive(Debug)]
struct Over {
    item: SpanSource,
    sides: [PartyKey; 2],
}

/// What is remembered of what has ended, and what of it waits.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) serving: ServedRequests,
    pub(super) untraced: Untraced,
    pub(super) allowance: FailedConnectLimit,
    pub(super) shedding: Shedding,
    pub(super) failures: Failures,
    waiting: NameQueue<Over>,
    counts: Counts,
}

impl Ended {
    /// With spans of so many failed connects a second.
    pub(super) fn new(allowance: FailedConnectLimit) -> Self {
        Self {
            serving: ServedRequests::default(),
            untraced: Untraced::default(),
            allowance,
            shedding: Shedding::default(),
            failures: Failures::default(),
            waiting: NameQueue::default(),
            counts: Counts::default(),
        }
    }

    /// What was counted here; the rest of it is empty.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            untraced_left_out: self.untraced.left_out(),
            failed_connects_left_out: self.counts.failed_connects_left_out
                + self.allowance.left_out(),
            shed: self.shedding.shed(),
            ..self.counts
        }
    }

    /// Time passes.
    pub(super) fn set_now(&mut self, now_ns: u64) {
        self.serving.set_now(now_ns);
        self.waiting.set_now(now_ns);
    }

    /// An exchange is over.
    pub(super) fn exchange(&mut self, exchange: Exchange, known: &Known, out: &mut Vec<Vec<Span>>) {
        self.serving.add_finished(&exchange);
        if exchange.asked.trace.sampled().is_some() {
            self.named(Over::from(SpanSource::Exchange(exchange)), known, out);
            return;
        }
        // Most are of this kind: it waits for no names, and nobody is looked up for it.
        let context = known.context();
        self.count(&exchange, &context);
        if let Some(trace) = self.untraced.begin(&exchange) {
            let sides = sides(&exchange);
            self.tell(Traced::new(&exchange, &sides, trace, &context), out);
        }
    }

    /// Connects have failed. Finds out what they were for, among the requests that are `open`.
    pub(super) fn failed_connects(
        &mut self,
        failed: Vec<FailedConnect>,
        open: &[Served],
        known: &Known,
        out: &mut Vec<Vec<Span>>,
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

    /// Makes the spans if all names are known; else they wait.
    fn named(&mut self, over: Over, known: &Known, out: &mut Vec<Vec<Span>>) {
        if over.is_settled(known) {
            self.make(&over, known, out);
        } else if let Some(first) = self.waiting.push(over) {
            self.counts.exchanges_unnamed += 1;
            self.make(&first, known, out);
        }
    }

    /// Makes the spans of those that have waited for names long enough.
    pub(super) fn waited(&mut self, known: &mut Known, out: &mut Vec<Vec<Span>>) {
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

    /// Nothing more will be known: makes the spans of all that wait.
    pub(super) fn finish(&mut self, known: &Known, out: &mut Vec<Vec<Span>>) {
        for over in self.waiting.finish() {
            self.make(&over, known, out);
        }
    }

    fn make(&mut self, over: &Over, known: &Known, out: &mut Vec<Vec<Span>>) {
        let context = known.context();
        match &over.item {
            SpanSource::Exchange(exchange) => {
                self.count(exchange, &context);
                if let Some(trace) = exchange.asked.trace.sampled() {
                    self.tell(Traced::new(exchange, &over.sides, trace, &context), out);
                }
            }
            SpanSource::FailedConnect(..) if !self.shedding.has_room() => {
                self.counts.failed_connects_left_out += 1;
            }
            SpanSource::FailedConnect(failed, correlation) => {
                let spans = failed_connect_spans(failed, correlation, &over.sides, &context);
                self.made(spans, out);
            }
        }
    }

    fn count(&mut self, exchange: &Exchange, context: &Context<'_>) {
        self.counts.exchanges += 1;
        self.failures.exchange(exchange, context);
    }

    /// Makes the spans of an exchange, if it is not shed.
    fn tell(&mut self, traced: Traced<'_>, out: &mut Vec<Vec<Span>>) {
        let admitted = self.shedding.admit(|| traced.edge(), traced.ended_ns());
        if let Some(shed) = admitted {
            self.counts.exchanges_traced += 1;
            self.made(traced.spans(shed), out);
        }
    }

    fn made(&mut self, spans: Vec<Span>, out: &mut Vec<Vec<Span>>) {
        self.shedding.made(spans.len());
        self.counts.spans += spans.len() as u64;
        out.push(spans);
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
