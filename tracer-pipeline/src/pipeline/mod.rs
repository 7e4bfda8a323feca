//! Runs the pure stages one after the other.
//!
//! In: raw records in the order in which the kernel sent them, snapshots of the agent. Out: spans, all of
//! one exchange together. The same input gives the same spans, from the kernel or from a recording.

mod counts;
mod ended;
mod exchanges;
mod fair;
mod known;
mod shedding;
mod snapshot;
mod span_sink;
mod tables;

use crate::{
    decode::{Record, decode},
    flow::Flow,
    http::UrlPaths,
    span::{DetailChoice, EdgeSnapshot, FailedConnectLimit, Failure, ServiceName, Untraced},
};

pub use counts::Counts;
pub use snapshot::{Snapshot, SnapshotError};
pub use span_sink::SpanSink;
pub use tables::{Table, Tables};

use ended::Ended;
pub(crate) use exchanges::Exchanges;
use known::Known;

/// The state of the pure stages.
pub struct Pipeline {
    flow: Flow,
    exchanges: Exchanges,
    ended: Ended,
    known: Known,
    records: u64,
    records_refused: u64,
}

/// Failed connects per second that get spans, unless [`Pipeline::limit_failed_connects`] sets another
/// limit.
pub const FAILED_CONNECTS_PER_SECOND: u32 = 100;

impl Pipeline {
    /// An empty pipeline. `node` is the name of this node, and distinguishes its spans from those of other
    /// nodes.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            flow: Flow::default(),
            exchanges: Exchanges::default(),
            ended: Ended::new(FailedConnectLimit::at_most(FAILED_CONNECTS_PER_SECOND)),
            known: Known {
                node: node.into(),
                ..Known::default()
            },
            records: 0,
            records_refused: 0,
        }
    }

    /// Starts traces for requests without trace context, at most `per_second`.
    pub fn trace_untraced(&mut self, per_second: u32) {
        self.ended.untraced = Untraced::at_most(per_second);
    }

    /// Makes spans for at most `per_second` failed connects, and for a tenth of that from one container.
    pub fn limit_failed_connects(&mut self, per_second: u32) {
        self.ended.allowance = FailedConnectLimit::at_most(per_second);
    }

    /// Sets under which service's name spans are exported.
    pub fn set_service_name(&mut self, name: ServiceName) {
        self.known.service_name = name;
    }

    /// Sets how much of the paths of requests is exported.
    pub fn set_url_paths(&mut self, url_paths: UrlPaths) {
        self.known.url_paths = url_paths;
    }

    /// The choice of the exchanges whose hops have spans.
    pub fn detail(&mut self) -> &mut DetailChoice {
        &mut self.ended.detail
    }

    /// Makes spans for at most `per_second` exchanges, in bursts of at most as many. Each pair of caller
    /// and service gets a fair share.
    pub fn limit_exchanges(&mut self, per_second: u32) {
        self.ended.shedding.set_rate(per_second);
    }

    /// Measures exchanges that carry no sampled trace context too, as far as they are followed.
    pub fn measure_unsampled(&mut self) {
        self.ended.measures_unsampled = true;
    }

    /// Requests are followed for those who watch, or no longer, from `now_ns` on. Their spans are not
    /// exported, though a server has a trace for one (`traceresponse`).
    pub fn follow_for_watch(&mut self, is_on: bool, now_ns: u64) {
        self.ended.for_watch = match is_on {
            true => now_ns..u64::MAX,
            false => self.ended.for_watch.start..now_ns,
        };
    }

    /// Measures all exchanges as those of one edge, `all`.
    pub fn sum_edges(&mut self) {
        self.ended.edges.sum_edges();
    }

    /// Sets how long a request waits for its response, in nanoseconds.
    pub fn wait_for_response(&mut self, wait_ns: u64) {
        self.exchanges.wait_for_response(wait_ns);
    }

    /// The counters so far.
    pub fn counts(&self) -> Counts {
        let ended = self.ended.counts();
        Counts {
            records: self.records,
            records_refused: self.records_refused,
            known: self.known.who.stats(),
            flow: self.flow.losses(),
            http: self.exchanges.http.losses(),
            http2: self.exchanges.http2.losses(),
            failed_connects_left_out: ended.failed_connects_left_out
                + self.exchanges.failed_left_out(),
            handshakes_left_out: self.exchanges.handshakes_left_out(),
            ..ended
        }
    }

    /// The number of failures so far, by reason, service and hop.
    pub fn failures(&self) -> impl Iterator<Item = (&Failure, u64)> {
        self.ended.failures.counts()
    }

    /// What exchanges took so far, by client and service.
    pub fn edges(&self) -> EdgeSnapshot {
        self.ended.edges.snapshot(&self.known.node)
    }

    /// Takes one record of the kernel programs; adds the spans of each exchange that it completes to
    /// `out`. A record that cannot be decoded is counted and left out.
    pub fn push(&mut self, raw: &[u8], out: &mut dyn SpanSink) {
        self.records += 1;
        match decode(raw) {
            Ok(record) => self.record(record, out),
            Err(error) => self.refuse(&error),
        }
    }

    /// Takes what the agent itself observed; adds the spans that waited for it to `out`.
    pub fn observe(&mut self, snapshot: Snapshot, out: &mut dyn SpanSink) {
        self.records += 1;
        let known = &mut self.known;
        match snapshot {
            Snapshot::Clock(sample) => {
                known.clock.sample(sample);
                self.housekeeping(sample.monotonic_ns, out);
            }
            Snapshot::DropReasons(reasons) => known.drop_reasons = reasons,
            Snapshot::Facts(facts) => {
                facts.into_iter().for_each(|fact| known.who.apply(fact));
                self.ended.waited(known, out);
            }
            Snapshot::Rules(rules) => known.set_rules(rules),
        }
    }

    /// Takes one entry of a recording: a record of the kernel programs or a snapshot.
    pub fn replay(&mut self, entry: &[u8], out: &mut dyn SpanSink) {
        match Snapshot::decode(entry) {
            None => self.push(entry, out),
            Some(Ok(snapshot)) => self.observe(snapshot, out),
            Some(Err(error)) => {
                self.records += 1;
                self.refuse(&error);
            }
        }
    }

    /// No record will come any more: gives up what is open.
    pub fn finish(&mut self, out: &mut dyn SpanSink) {
        for event in self.flow.finish() {
            let done = &mut |exchange| self.ended.exchange(exchange, &self.known, out);
            self.exchanges.event(event, done);
        }
        self.failed_connects(out);
        self.ended.finish(&self.known, out);
    }

    fn record(&mut self, record: Record, out: &mut dyn SpanSink) {
        let Self {
            flow,
            exchanges,
            ended,
            known,
            ..
        } = self;
        if let Record::Journey(journey) = &record {
            let translation = || flow.translation(journey);
            ended
                .failures
                .journey(journey, translation, &known.context());
        }
        let mut event = |event| {
            exchanges.event(event, &mut |exchange| ended.exchange(exchange, known, out));
        };
        match record {
            Record::Journey(journey) => flow.journey(journey, &mut event),
            Record::Fragment(fragment) => flow.fragment(fragment, &mut event),
            Record::Read(read) => flow.read(read, &mut event),
            Record::Window(window) => flow.window(&window).into_iter().for_each(event),
            Record::Close(close) => flow.close(&close),
            Record::FailedConnect(failed) => flow.connect_failed(failed),
            Record::Head(head) => exchanges.head(&head, &mut |exchange| {
                ended.exchange(exchange, known, out);
            }),
            Record::Device(device) => known.devices.insert(device),
        }
    }

    fn refuse(&mut self, error: &dyn std::error::Error) {
        self.records_refused += 1;
        tracing::trace!(%error, "record refused");
    }

    /// Expires what is older than its limits at `now_ns`, and makes the spans that are due.
    fn housekeeping(&mut self, now_ns: u64, out: &mut dyn SpanSink) {
        self.known.who.prune(now_ns);
        self.ended.serving.set_now(now_ns);
        let done = &mut |exchange| self.ended.exchange(exchange, &self.known, out);
        for event in self.flow.expire(now_ns) {
            self.exchanges.event(event, done);
        }
        self.exchanges.expire(now_ns, done);
        self.failed_connects(out);
        self.ended.set_now(now_ns);
        self.ended.waited(&mut self.known, out);
    }

    /// Makes the spans of failed connects. Runs once a second for all of them, because each run looks at
    /// every open request.
    fn failed_connects(&mut self, out: &mut dyn SpanSink) {
        let failed = self.exchanges.take_failed();
        if !failed.is_empty() {
            let open = self.exchanges.open();
            self.ended.failed_connects(failed, &open, &self.known, out);
        }
    }
}
