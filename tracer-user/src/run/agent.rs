//! The main loop of the agent: one task that owns all state.

use std::{num::NonZero, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, timeout},
};
use tracer_common::counter::Counter;
use tracer_pipeline::pipeline::{Pipeline, Snapshot};

use crate::{
    attach::Attached,
    capture::{
        Counters, EdgeLimiter, JourneyTable, PairLoss, PairLosses, Ring, Totals, WatchSwitch,
        clock_sample, device_record,
    },
    cluster::Names,
    error_chain::error_chain,
    rules,
    uplinks::Uplinks,
};

use super::{
    poll_schedule::PollSchedule,
    recorder::Recorder,
    report::{Counted, Report},
    status::{Numbers, Status},
    watch::{FOLLOWED_PER_SECOND, WatchedExport},
};

/// How long the last journeys may take to end after the hooks stop opening new ones.
const UNDER_WAY: Duration = Duration::from_millis(20);
/// Records processed before other tasks get their turn.
const BURST: usize = 4096;
/// How often the clocks are sampled and old state expires.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long the start waits for the first rules.
const FIRST_RULES: Duration = Duration::from_secs(5);

/// The state of the agent, and its inputs and outputs.
pub(super) struct Agent {
    attached: Attached,
    ring: Ring,
    journeys: JourneyTable,
    counters: Counters,
    edge_limiter: EdgeLimiter,
    pair_losses: PairLosses,
    watch_switch: WatchSwitch,
    stream: Stream,
    names: Names,
    rules: rules::Watch,
    /// Uplinks of which one was refused.
    refused_uplinks: Option<Uplinks>,
    status: Arc<Status>,
}

impl Agent {
    pub(super) fn new(
        mut attached: Attached,
        export: WatchedExport,
        pipeline: Pipeline,
        (names, rules): (Names, rules::Watch),
        exchanges_per_second: Option<NonZero<u32>>,
        recorder: Option<Recorder>,
        status: Arc<Status>,
    ) -> anyhow::Result<Self> {
        let drop_reasons = std::mem::take(&mut attached.drop_reasons);
        let mut agent = Self {
            ring: Ring::new(attached.take_map(Ring::MAP))?,
            journeys: JourneyTable::new(JourneyTable::MAPS.map(|name| attached.take_map(name)))?,
            counters: Counters::new(attached.take_map(Counters::MAP))?,
            edge_limiter: EdgeLimiter::new(
                EdgeLimiter::MAPS.map(|name| attached.take_map(name)),
                exchanges_per_second,
            )?,
            pair_losses: PairLosses::new(attached.take_map(PairLosses::MAP))?,
            watch_switch: WatchSwitch::new(attached.take_map(WatchSwitch::MAP))?,
            attached,
            stream: Stream {
                pipeline,
                recorder,
                export,
            },
            names,
            rules,
            refused_uplinks: None,
            status,
        };
        agent.stream.observe(Snapshot::DropReasons(drop_reasons));
        agent.housekeeping();
        Ok(agent)
    }

    /// Waits for the first names of pods and services.
    pub(super) async fn first_names(&mut self) {
        let stream = &mut self.stream;
        self.names
            .first(|facts| stream.observe(Snapshot::Facts(facts)))
            .await;
    }

    /// Waits for the first reading of kube-proxy's rules.
    pub(super) async fn first_rules(&mut self) {
        if let Ok(Some(rules)) = timeout(FIRST_RULES, self.rules.rules.recv()).await {
            self.stream.observe(Snapshot::Rules(rules));
        }
    }

    /// Processes records until the task is dropped. `uplinks` delivers each change of the uplinks.
    pub(super) async fn follow(&mut self, mut uplinks: mpsc::Receiver<Uplinks>) {
        let mut look = PollSchedule::after(Instant::now());
        let mut housekeeping = every(HOUSEKEEPING);
        let watchers = self.stream.export.watchers.clone();
        loop {
            tokio::select! {
                () = look.due() => look.found(self.drain().await, Instant::now()),
                () = self.ring.wait_until_filling() => look.found(self.drain().await, Instant::now()),
                _ = housekeeping.tick() => self.housekeeping(),
                facts = self.names.next() => self.stream.observe(Snapshot::Facts(facts)),
                Some(rules) = self.rules.rules.recv() => {
                    self.stream.observe(Snapshot::Rules(rules));
                }
                Some(uplinks) = uplinks.recv() => self.follow_uplinks(&uplinks),
                is_watched = watchers.untraced_changed() => self.follow_for_watch(is_watched),
            }
            self.status.turned();
        }
    }

    /// Attaches to these uplinks, and detaches from all others.
    pub(super) fn follow_uplinks(&mut self, uplinks: &Uplinks) {
        for uplink in &uplinks.devices {
            let record = device_record(self.attached.netns, uplink);
            self.stream.push(&record);
        }
        let errors = self.attached.follow_uplinks(uplinks);
        self.refused_uplinks = (!errors.is_empty()).then(|| uplinks.clone());
        for error in errors {
            tracing::warn!(
                "packets from other nodes are not seen: {}",
                error_chain(&error)
            );
        }
        for name in &uplinks.absent {
            tracing::warn!("there is no device {name}: --uplink waits for it");
        }
        if uplinks.devices.is_empty() {
            tracing::warn!(
                "no uplink found: packets to and from other nodes are not recognised; name a device with --uplink"
            );
        } else {
            tracing::info!("uplinks: {}", uplinks.names());
        }
        self.status.set_uplinks(uplinks);
    }

    /// Lets the programs follow requests without a sampled trace context too, or no longer.
    fn follow_for_watch(&mut self, is_watched: bool) {
        let per_second = NonZero::new(FOLLOWED_PER_SECOND).filter(|_| is_watched);
        let before = clock_sample();
        if let Err(error) = self.watch_switch.set(per_second) {
            tracing::warn!("what is watched does not change: {}", error_chain(&error));
        }
        // No request that is followed for it begins outside of this time.
        let changed = if is_watched { before } else { clock_sample() };
        if let Some(changed) = changed {
            let pipeline = &mut self.stream.pipeline;
            pipeline.follow_for_watch(is_watched, changed.monotonic_ns);
        }
    }

    /// Detaches, processes the remaining records, flushes the export, and reports. The flush ends
    /// when it takes longer than `flush`, or when `interrupted` does.
    pub(super) async fn finish(
        mut self,
        flush: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> anyhow::Result<Report> {
        // Programs are detached one by one: a journey that opens in between would miss stamps.
        self.attached.begin_no_more();
        tokio::time::sleep(UNDER_WAY).await;
        self.attached.flush_log();
        let missing = std::mem::take(&mut self.attached.missing);
        drop(self.attached);
        let stream = &mut self.stream;
        while self.ring.drain(BURST, |record| stream.push(record)) > 0 {}
        let under_way = self.journeys.under_way();
        self.journeys.expire_all(|record| stream.push(record));
        stream.pipeline.finish(&mut stream.export);
        if let Some(recorder) = self.stream.recorder.take() {
            recorder.finish().context("write the recording")?;
        }
        let export = self.stream.export.exporter.finish(flush, interrupted).await;
        let kernel = self.counters.read();
        Ok(Report {
            missing: missing
                .into_iter()
                .map(|missing| (missing.hook.name(), missing.reason))
                .collect(),
            lost_in_kernel: kernel.lost(),
            pair_losses: pair_losses(&mut self.pair_losses, &kernel),
            kernel,
            kubernetes: self.names.api_state().map(|state| state.snapshot()),
            expired: self.journeys.expired(),
            under_way_at_end: under_way,
            pipeline: self.stream.pipeline.counts(),
            failures: self
                .stream
                .pipeline
                .failures()
                .map(|(failure, count)| Counted {
                    failure: failure.clone(),
                    count,
                })
                .collect(),
            rules: self.rules.state.borrow().clone(),
            export,
        })
    }

    /// Processes all records in the ring buffer. Returns their number.
    async fn drain(&mut self) -> usize {
        let stream = &mut self.stream;
        let mut all = 0;
        loop {
            let drained = self.ring.drain(BURST, |record| stream.push(record));
            all += drained;
            if drained < BURST {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.attached.flush_log();
        all
    }

    fn housekeeping(&mut self) {
        let Some(sample) = clock_sample() else { return };
        let stream = &mut self.stream;
        self.journeys
            .expire(sample.monotonic_ns, |record| stream.push(record));
        stream.observe(Snapshot::Clock(sample));
        if let Err(error) = self.edge_limiter.adjust(sample.monotonic_ns) {
            tracing::debug!(
                "the limit of requests stays as it is: {}",
                error_chain(&error)
            );
        }
        if let Ok(left_out) = self.watch_switch.left_out() {
            self.stream.export.watchers.leave_out(left_out);
        }
        self.attach_missing();
        self.publish();
    }

    /// Tries again what could not be attached.
    fn attach_missing(&mut self) {
        if self.attached.attach_missing() {
            tracing::info!("hooks that were missing are attached");
            self.status.set_missing(&self.attached.missing);
        }
        if let Some(uplinks) = self.refused_uplinks.take() {
            if self.attached.follow_uplinks(&uplinks).is_empty() {
                tracing::info!("packets from other nodes are seen: {}", uplinks.names());
            } else {
                self.refused_uplinks = Some(uplinks);
            }
        }
    }

    /// Publishes what was counted. The counters are read after journeys expire, so that every expired journey
    /// is among the opened ones.
    fn publish(&mut self) {
        self.status.set_rules(self.rules.state.borrow().clone());
        if let Some(api) = self.names.api_state() {
            self.status.set_kubernetes(api.snapshot().watches);
        }
        let kernel = self.counters.read();
        self.status.publish(Numbers {
            expired: self.journeys.expired(),
            journeys: self.journeys.occupancy(),
            pair_losses: pair_losses(&mut self.pair_losses, &kernel),
            ring: self.ring.peak(),
            tables: self.stream.pipeline.tables(),
            kernel,
            pipeline: self.stream.pipeline.counts(),
            failures: self
                .stream
                .pipeline
                .failures()
                .map(|(failure, count)| (failure.clone(), count))
                .collect(),
            edges: self.stream.pipeline.edges(),
            export: self.stream.export.exporter.totals(),
            queue: self.stream.export.exporter.queue(),
        });
    }
}

/// The pairs that lost records.
fn pair_losses(losses: &mut PairLosses, kernel: &Totals) -> Vec<PairLoss> {
    let read = losses.read(kernel.get(Counter::OverShare));
    read.map(<[PairLoss]>::to_vec).unwrap_or_else(|error| {
        tracing::debug!(
            "it is not known whose records are lost: {}",
            error_chain(&error)
        );
        Vec::new()
    })
}

/// Records and snapshots on their way to the recording, the pipeline and the exporter.
struct Stream {
    pipeline: Pipeline,
    recorder: Option<Recorder>,
    export: WatchedExport,
}

impl Stream {
    fn push(&mut self, record: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(record);
        }
        self.pipeline.push(record, &mut self.export);
    }

    fn observe(&mut self, snapshot: Snapshot) {
        if let Some(recorder) = &mut self.recorder {
            recorder.entry(&snapshot.encode());
        }
        self.pipeline.observe(snapshot, &mut self.export);
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset();
    interval
}
