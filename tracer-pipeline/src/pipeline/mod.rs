//! The pure stages, one after the other.
//!
//! In: raw records in the order they came. Out: spans, those of one exchange together. The same records give the same spans,
//! whether they come from the kernel or from a recording.

mod counts;
mod ended;
mod exchanges;
mod fair;
mod known;
mod shedding;
mod snapshot;

use crate::{
    decode::{Record, decode},
    flow::Flow,
    span::{Detail, FailedConnectLimit, Failure, Span, Untraced},
};

pub use counts::Counts;
pub use shedding::Shed;
pub use snapshot::{Snapshot, SnapshotError};

use ended::Ended;
use exchanges::Exchanges;
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

/// Connects that failed and become spans, a second, unless [`Pipeline::tell_failed_connects`] says
/// otherwise.
pub const FAILED_CONNECTS_PER_SECOND: u32 = 100;

impl Pipeline {
    /// A pipeline that has seen nothing. `node` tells this node's hops from another's.
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

    /// Makes traces for requests that carry no context, at most so many a second.
    pub fn trace_untraced(&mut self, per_second: u32) {
        self.ended.untraced = Untraced::at_most(per_second);
    }

    /// Makes spans of at most so many failed connects a second, and of a tenth as many from one
    /// container.
    pub fn tell_failed_connects(&mut self, per_second: u32) {
        self.ended.allowance = FailedConnectLimit::at_most(per_second);
    }

    /// Makes as many spans of each exchange as this.
    pub fn tell_in_detail(&mut self, detail: Detail) {
        self.known.detail = detail;
    }

    /// Makes spans of at most so many exchanges a second, and of a burst of as many: a fair share of each
    /// edge from a caller to a service.
    pub fn tell_exchanges(&mut self, per_second: u32) {
        self.ended.shedding.set_rate(per_second);
    }

    /// Makes spans until there are so many, and the whole of the last exchange; of what comes then none,
    /// until this is said again. Unlimited where it never is.
    pub fn set_room(&mut self, spans: usize) {
        self.ended.shedding.set_room(spans);
    }

    /// How long a request waits for its response, nanoseconds.
    pub fn wait_for_response(&mut self, wait_ns: u64) {
        self.exchanges.wait_for_response(wait_ns);
    }

    /// What came through so far.
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
            ..ended
        }
    }

    /// What failed so far, by reason, service and hop.
    pub fn failures(&self) -> impl Iterator<Item = (&Failure, u64)> {
        self.ended.failures.counts()
    }

    /// Takes one record of the kernel programs; adds the spans of each exchange that it completes to
    /// `out`. A record that cannot be decoded is counted and left out.
    pub fn push(&mut self, raw: &[u8], out: &mut Vec<Vec<Span>>) {
        self.records += 1;
        match decode(raw) {
            Ok(record) => self.record(record, out),
            Err(error) => self.refuse(&error),
        }
    }

    /// Takes what the agent itself observed; adds the spans that waited for it to `out`.
    pub fn observe(&mut self, snapshot: Snapshot, out: &mut Vec<Vec<Span>>) {
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
    pub fn replay(&mut self, entry: &[u8], out: &mut Vec<Vec<Span>>) {
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
    pub fn finish(&mut self, out: &mut Vec<Vec<Span>>) {
        for event in self.flow.finish() {
            let done = &mut |exchange| self.ended.exchange(exchange, &self.known, out);
            self.exchanges.event(event, done);
        }
        self.failed_connects(out);
        self.ended.finish(&self.known, out);
    }

    fn record(&mut self, record: Record, out: &mut Vec<Vec<Span>>) {
        let Self {
            flow,
            exchanges,
            ended,
            known,
            ..
        } = self;
        if let Record::Journey(journey) = &record {
            ended.failures.journey(journey, &known.context());
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
            Record::Head(head) => exchanges.http.head(&head),
            Record::Device(device) => known.devices.insert(device),
        }
    }

    fn refuse(&mut self, error: &dyn std::error::Error) {
        self.records_refused += 1;
        tracing::trace!(%error, "record refused");
    }

    /// Time has passed: gives up, tells and forgets what is due.
    fn housekeeping(&mut self, now_ns: u64, out: &mut Vec<Vec<Span>>) {
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

    /// Tells of the connects that have failed, all of them once a second: every open request is looked at
    /// for it.
    fn failed_connects(&mut self, out: &mut Vec<Vec<Span>>) {
        let failed = self.exchanges.take_failed();
        if !failed.is_empty() {
            let open = self.exchanges.open();
            self.ended.failed_connects(failed, &open, &self.known, out);
        }
    }
}
