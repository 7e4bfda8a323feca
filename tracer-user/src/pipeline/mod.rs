//! The pure stages, one after the other.
//!
//! In: raw records in the order they came. Out: spans. The same records give the same spans,
//! whether they come from the kernel or from a recording.

mod counts;

use tracer_common::message::Message;

use crate::{
    decode::{DropReasons, Record, Snapshot, decode},
    flow::{self, EventKind, Flow},
    http::{self, Exchange, FailedConnect, Handshakes, Served},
    http2,
    identity::{
        kube_proxy::Rules,
        serving::{Correlation, Serving},
        waiting::Waiting,
        who::Who,
    },
    path::Devices,
    span::{
        Allowance, Clock, Context, Failure, Failures, Item, Span, Untraced, failed_connect_spans,
        spans,
    },
};

pub use counts::Counts;

/// The state of the pure stages.
pub struct Pipeline {
    node: String,
    flow: Flow,
    handshakes: Handshakes,
    http: http::Pairing,
    http2: http2::pairing::Pairing,
    clock: Clock,
    devices: Devices,
    rules: Rules,
    drop_reasons: DropReasons,
    untraced: Untraced,
    who: Who,
    serving: Serving,
    /// Connects that have failed since the last clock sample.
    failed: Vec<FailedConnect>,
    allowance: Allowance,
    waiting: Waiting<Item>,
    failures: Failures,
    counts: Counts,
}

/// Connects that have failed between two clock samples, up to 2 KB each. More are a loop that tries the
/// same socket again and again, and are left out.
const MAX_FAILED: usize = 8192;

/// Connects that failed and become spans, a second, unless [`Pipeline::tell_failed_connects`] says
/// otherwise.
pub const FAILED_CONNECTS_PER_SECOND: u32 = 100;

impl Pipeline {
    /// A pipeline that has seen nothing. `node` tells this node's hops from another's.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            flow: Flow::default(),
            handshakes: Handshakes::default(),
            http: http::Pairing::default(),
            http2: http2::pairing::Pairing::default(),
            clock: Clock::default(),
            devices: Devices::default(),
            rules: Rules::default(),
            drop_reasons: DropReasons::default(),
            untraced: Untraced::default(),
            who: Who::default(),
            serving: Serving::default(),
            failed: Vec::new(),
            allowance: Allowance::at_most(FAILED_CONNECTS_PER_SECOND),
            waiting: Waiting::default(),
            failures: Failures::default(),
            counts: Counts::default(),
        }
    }

    /// Makes traces for requests that carry no context, at most so many a second.
    pub fn trace_untraced(&mut self, per_second: u32) {
        self.untraced = Untraced::at_most(per_second);
    }

    /// Makes spans of at most so many failed connects a second, and of a tenth as many from one
    /// container.
    pub fn tell_failed_connects(&mut self, per_second: u32) {
        self.allowance = Allowance::at_most(per_second);
    }

    /// How long a request waits for its response, nanoseconds.
    pub fn wait_for_response(&mut self, wait_ns: u64) {
        self.http.wait_for_response(wait_ns);
        self.http2.wait_for_response(wait_ns);
    }

    /// What came through so far.
    pub fn counts(&self) -> Counts {
        Counts {
            known: self.who.known(),
            flow: self.flow.losses(),
            http: self.http.losses(),
            http2: self.http2.losses(),
            untraced_left_out: self.untraced.left_out(),
            failed_connects_left_out: self.counts.failed_connects_left_out
                + self.allowance.left_out(),
            ..self.counts
        }
    }

    /// What failed so far, by reason, service and hop.
    pub fn failures(&self) -> impl Iterator<Item = (&Failure, u64)> {
        self.failures.counts()
    }

    /// Takes one raw record; adds the spans of the exchanges that it completes to `out`.
    pub fn push(&mut self, raw: &[u8], out: &mut Vec<Span>) {
        self.counts.records += 1;
        match decode(raw) {
            Ok(record) => self.record(record, out),
            Err(error) => {
                self.counts.records_refused += 1;
                tracing::trace!(%error, "record refused");
            }
        }
    }

    /// No record will come any more: gives up what is open.
    pub fn finish(&mut self, out: &mut Vec<Span>) {
        let events = self.flow.finish();
        self.events(events, out);
        self.failed_connects(out);
        let waiting = self.waiting.finish();
        self.make(waiting, out);
    }

    fn record(&mut self, record: Record, out: &mut Vec<Span>) {
        match record {
            Record::Head(head) => self.http.head(&head),
            Record::Journey(journey) => {
                self.count(|failures, context| failures.journey(&journey, context));
                let mut events = Vec::new();
                self.flow.journey(journey, &mut |event| events.push(event));
                self.events(events, out);
            }
            Record::Fragment(fragment) => {
                let mut events = Vec::new();
                self.flow
                    .fragment(fragment, &mut |event| events.push(event));
                self.events(events, out);
            }
            Record::Read(read) => {
                let events = self.flow.read(read);
                self.events(events, out);
            }
            Record::Window(window) => {
                let event = self.flow.window(&window);
                self.events(event, out);
            }
            Record::Close(close) => self.flow.close(&close),
            Record::FailedConnect(failed) => self.flow.connect_failed(failed),
            Record::Device(device) => self.devices.insert(device),
            Record::Snapshot(Snapshot::Clock(sample)) => {
                self.clock.sample(sample);
                self.serving.set_now(sample.monotonic_ns);
                self.who.forget(sample.monotonic_ns);
                let events = self.flow.expire(sample.monotonic_ns);
                self.events(events, out);
                self.handshakes.expire(sample.monotonic_ns);
                let mut done = Vec::new();
                let mut take = |exchange| done.push(exchange);
                self.http.expire(sample.monotonic_ns, &mut take);
                self.http2.expire(sample.monotonic_ns, &mut take);
                self.done(done, out);
                self.failed_connects(out);
                self.waiting.set_now(sample.monotonic_ns);
                self.waited(out);
            }
            Record::Snapshot(Snapshot::DropReasons(reasons)) => self.drop_reasons = reasons,
            Record::Snapshot(Snapshot::Facts(facts)) => {
                facts.into_iter().for_each(|fact| self.who.learn(fact));
                self.waited(out);
            }
            Record::Snapshot(Snapshot::Rules(text)) => {
                let (rules, findings) = Rules::from_iptables_save(&text);
                for finding in findings.kept() {
                    tracing::debug!(%finding, "iptables-save");
                }
                self.rules(rules);
            }
            Record::Snapshot(Snapshot::RuleFacts(facts)) => match Rules::from_facts(&facts) {
                Ok(rules) => self.rules(rules),
                Err(error) => {
                    self.counts.records_refused += 1;
                    tracing::trace!(%error, "rules refused");
                }
            },
        }
    }

    fn rules(&mut self, rules: Rules) {
        tracing::info!(
            "kube-proxy's rules name {} ways to a pod and close {} portals",
            rules.len(),
            rules.refusal_count()
        );
        self.rules = rules;
    }

    fn events(&mut self, events: impl IntoIterator<Item = flow::Event>, out: &mut Vec<Span>) {
        let mut done = Vec::new();
        for event in events {
            self.event(event, &mut |exchange| done.push(exchange));
        }
        self.done(done, out);
    }

    /// Exchanges that are over.
    fn done(&mut self, exchanges: Vec<Exchange>, out: &mut Vec<Span>) {
        for exchange in &exchanges {
            self.serving.done(exchange);
        }
        self.named(exchanges.into_iter().map(Item::Exchange).collect(), out);
    }

    /// Finds out what the connects that have failed were for. All of them once a second: every open
    /// request is looked at for it.
    fn failed_connects(&mut self, out: &mut Vec<Span>) {
        if self.failed.is_empty() {
            return;
        }
        let open: Vec<Served> = self.http.served().chain(self.http2.served()).collect();
        let mut items = Vec::new();
        for failed in std::mem::take(&mut self.failed) {
            if !failed.is_failure() {
                self.counts.connects_cancelled += 1;
                continue;
            }
            self.counts.failed_connects += 1;
            self.count(|failures, context| failures.failed_connect(&failed, context));
            if !self.allowance.take(&failed.socket) {
                continue;
            }
            let correlation = self.serving.correlate(&failed.socket, &open, &self.who);
            let is_inferred = matches!(correlation, Correlation::Inferred(_));
            self.counts.failed_connects_inferred += u64::from(is_inferred);
            items.push(Item::FailedConnect(failed, correlation));
        }
        self.named(items, out);
    }

    /// Makes the spans of those whose names are known; the others wait.
    fn named(&mut self, items: Vec<Item>, out: &mut Vec<Span>) {
        let who = &self.who;
        let (settled, new): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| {
            !item.is_traced() || item.sides().iter().all(|side| who.is_settled(side))
        });
        self.make(settled, out);
        let too_many = new.into_iter().filter_map(|new| self.waiting.push(new));
        let too_many: Vec<Item> = too_many.collect();
        self.counts.exchanges_unnamed += too_many.len() as u64;
        self.make(too_many, out);
    }

    /// Makes the spans of those that have waited for names.
    fn waited(&mut self, out: &mut Vec<Span>) {
        if self.waiting.is_empty() {
            return;
        }
        let who = &self.who;
        let is_known = |item: &Item| item.sides().iter().all(|side| who.is_settled(side));
        let taken = self.waiting.take(is_known);
        for (item, _) in taken.iter().filter(|(_, in_vain)| *in_vain) {
            self.counts.exchanges_unnamed += 1;
            item.sides().iter().for_each(|side| self.who.give_up(side));
        }
        let taken = taken.into_iter().map(|(item, _)| item).collect();
        self.make(taken, out);
    }

    /// Each event to the stage that it concerns.
    fn event(&mut self, event: flow::Event, done: &mut impl FnMut(Exchange)) {
        let handshakes = &mut self.handshakes;
        match &event.kind {
            EventKind::Journey { journey, .. } => match journey.message {
                Message::Syn | Message::SynAck => handshakes.event(event),
                Message::Request | Message::Response => self.http.event(event, handshakes, done),
                Message::Headers => self.http2.event(event, handshakes, done),
            },
            EventKind::Fragment { fragment, .. } => {
                let id = event.connection;
                if !fragment.recognised
                    && let Some(exchange) = self.http.upgraded(id)
                {
                    self.http2.upgraded(id, exchange);
                }
                self.http2.event(event, handshakes, done);
            }
            EventKind::ConnectFailed(socket) => {
                let connect = handshakes.failed(event.connection);
                if self.failed.len() >= MAX_FAILED {
                    self.counts.failed_connects_left_out += 1;
                    return;
                }
                let socket = *socket;
                self.failed.push(FailedConnect { socket, connect });
            }
            _ => {
                if let Some(event) = event.for_another() {
                    self.http2.event(event, handshakes, done);
                }
                if matches!(event.kind, EventKind::Forgotten) {
                    handshakes.forget(event.connection);
                }
                self.http.event(event, handshakes, done);
            }
        }
    }

    /// What the spans need to know.
    fn context(&self) -> Context<'_> {
        Context {
            clock: &self.clock,
            devices: &self.devices,
            rules: &self.rules,
            drop_reasons: &self.drop_reasons,
            who: &self.who,
            node: &self.node,
        }
    }

    /// Counts failures, with what the spans know.
    fn count(&mut self, count: impl FnOnce(&mut Failures, &Context<'_>)) {
        let mut failures = std::mem::take(&mut self.failures);
        count(&mut failures, &self.context());
        self.failures = failures;
    }

    fn make(&mut self, items: Vec<Item>, out: &mut Vec<Span>) {
        self.count(|failures, context| {
            for item in &items {
                if let Item::Exchange(exchange) = item {
                    failures.exchange(exchange, context);
                }
            }
        });
        let mut untraced = std::mem::take(&mut self.untraced);
        let mut counts = self.counts;
        let context = self.context();
        for item in &items {
            let made = match item {
                Item::Exchange(exchange) => {
                    let named = exchange.asked.trace.sampled();
                    let trace = named.or_else(|| untraced.begin(exchange));
                    let made =
                        trace.map_or_else(Vec::new, |trace| spans(exchange, trace, &context));
                    counts.exchanges += 1;
                    counts.exchanges_traced += u64::from(!made.is_empty());
                    made
                }
                Item::FailedConnect(failed, correlation) => {
                    failed_connect_spans(failed, correlation, &context)
                }
            };
            counts.spans += made.len() as u64;
            out.extend(made);
        }
        (self.untraced, self.counts) = (untraced, counts);
    }
}
