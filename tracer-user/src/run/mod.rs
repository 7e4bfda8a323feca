//! `hopspan run`: the agent.
//!
//! One task owns the state and drains the ring buffer into the pipeline. Other tasks and threads do
//! the I/O: the export, the HTTP port, and reading the rules, the uplinks and the names. SIGTERM or
//! SIGINT ends the agent: it detaches, takes the remaining records, flushes the export and writes
//! the report. A second signal ends the flush.

mod agent;
mod args;
mod http_port;
mod listen;
mod map_watch;
mod metrics;
mod poll_schedule;
mod process_limits;
mod recorder;
mod report;
mod status;
mod watch;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    num::NonZero,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracer_pipeline::{pipeline::Pipeline, redaction::Redactor};

use crate::{
    attach::{self, Follow, Missing, Options, cgroup2, hook_loss},
    capture::EntryCounts,
    cluster::Names,
    export::{Exporter, node_name},
    rules, uplinks,
};

use agent::Agent;
use recorder::Recorder;
use status::Status;
use watch::{WatchedExport, Watchers};

pub use args::{Args, PerEdge};
pub use listen::{Listen, NotAListenAddress};
pub use watch::{WATCH_BYTES, WatchFrom};

/// The time for flushing the export: less than the 30 s after which Kubernetes kills the container.
const FLUSH: Duration = Duration::from_secs(25);

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
///
/// When the agent cannot attach, export, listen, or write the recording or the report.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        cgroup: cgroup2::find(args.cgroup.as_deref())?,
        follow: if args.follow_all {
            Follow::All
        } else if args.untraced > 0 {
            Follow::Untraced
        } else {
            Follow::Sampled
        },
        debug: args.debug,
        only_fallbacks: args.only_fallbacks,
    };
    process_limits::set();
    let report_file = args.report.as_deref().map(|path| {
        File::create(path).with_context(|| format!("create the report {}", path.display()))
    });
    let report_file = report_file.transpose()?;
    let redactor = (!args.record_raw).then(|| Redactor::new(args.paths));
    let recorder = args.record.as_deref().map(|path| {
        Recorder::create(path, redactor)
            .with_context(|| format!("create the recording {}", path.display()))
    });
    let recorder = recorder.transpose()?;
    let mut signals = Signals::new()?;
    let status = Arc::new(Status::new());
    let node = node_name();
    let watchers = Watchers::default();
    let port = http_port::Options {
        places: &args.listen,
        token: args.metrics_token,
        watch_from: args.watch,
        socket: args.watch_socket,
        node: node.clone(),
    };
    http_port::start(port, &status, watchers.clone())?;
    let exporter = Exporter::start().context("set up the OTLP export")?;
    let export = WatchedExport::new(exporter, watchers);
    // Before the programs are attached, so that names and rules are read while the verifier runs.
    let names = Names::start(&args.names, &options.cgroup, &node).await?;
    let rules = rules::watch().context("start the thread that reads rules")?;
    let mut attached = attach::attach(&options)?;
    for (reason, hooks) in by_reason(&attached.missing) {
        tracing::warn!("not attached: {}: {reason}", hooks.join(", "));
    }
    if attached.is_beside_another() {
        tracing::warn!(
            "another hopspan runs here: both send spans of the same exchanges until one of them ends"
        );
    }
    for fallback in &attached.fallbacks {
        let (hook, reason) = (fallback.hook.name(), &fallback.reason);
        match hook_loss::with_fallback(fallback.hook) {
            Some(lost) => tracing::warn!(
                "{hook} is served by {}, without {lost}: {reason}",
                fallback.function
            ),
            None => tracing::info!("{hook} is served by {}: {reason}", fallback.function),
        }
    }
    let hash_maps = std::mem::take(&mut attached.hash_maps);
    let socket_keys = attached.take_map(EntryCounts::SOCKET_KEYS);
    let entry_counts = EntryCounts::new(hash_maps, socket_keys)?;
    map_watch::start(entry_counts, Arc::clone(&status))
        .context("start the thread that counts entries of maps")?;
    let (first, changes) = uplinks::watch(args.uplink);
    let mut pipeline = Pipeline::new(node);
    pipeline.trace_untraced(args.untraced);
    pipeline.limit_failed_connects(args.failed_connects);
    pipeline.set_service_name(args.service_name);
    pipeline.set_url_paths(args.paths);
    let detail = pipeline.detail();
    detail.set_detail(args.detail);
    detail.set_baseline(args.baseline);
    if let Some(slow) = args.slow {
        detail.set_slow(slow);
    }
    let per_second = NonZero::new(args.max_exchanges_per_second);
    if let Some(per_second) = per_second {
        pipeline.limit_exchanges(per_second.get());
    }
    if args.follow_all {
        pipeline.measure_unsampled();
    }
    if args.metrics_per_edge == PerEdge::Off {
        pipeline.sum_edges();
    }
    pipeline.wait_for_response(u64::from(args.response_timeout) * 1_000_000_000);
    status.set_missing(&attached.missing);
    let mut agent = Agent::new(
        attached,
        export,
        pipeline,
        (names, rules),
        per_second,
        recorder,
        Arc::clone(&status),
    )?;
    agent.follow_uplinks(&first);
    agent.first_names().await;
    agent.first_rules().await;
    status.turned();
    status.set_ready();
    // Scripts may wait for this line. There may be no reader.
    let _ = match &*first.names() {
        "" => writeln!(io::stderr(), "hopspan: attached, no uplinks"),
        uplinks => writeln!(io::stderr(), "hopspan: attached, uplinks: {uplinks}"),
    };
    attach::return_freed_memory();
    tokio::select! {
        () = signals.next() => {}
        () = agent.follow(changes) => {}
    }
    status.set_ending();
    let report = agent.finish(FLUSH, signals.next()).await?;
    if let Some(file) = report_file {
        report.write(file).context("write the report")?;
    }
    report.log();
    Ok(())
}

/// The hooks that are missing, by reason.
fn by_reason(missing: &[Missing]) -> BTreeMap<&str, Vec<&'static str>> {
    let mut reasons: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for missing in missing {
        let hooks = reasons.entry(&missing.reason).or_default();
        hooks.push(missing.hook.name());
    }
    reasons
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::hook::Hook;

    use super::*;

    #[test]
    fn missing_hooks_are_grouped_by_reason() {
        let missing = |hook, reason: &str| Missing {
            hook,
            reason: reason.to_owned(),
        };
        let all = [
            missing(Hook::PreroutingEnter, "too old"),
            missing(Hook::PacketDrop, "refused"),
            missing(Hook::PreroutingLeave, "too old"),
        ];
        let grouped = by_reason(&all);
        let expected = [
            ("refused", vec!["packet_drop"]),
            ("too old", vec!["prerouting_enter", "prerouting_leave"]),
        ];
        assert_eq!(grouped, BTreeMap::from(expected));
    }
}
