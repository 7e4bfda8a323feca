//! The agent's status as Prometheus metrics, in the OpenMetrics text format.
//!
//! In: a `Status`. Out: text. Counts nothing itself, so that counters start at 0 with the process
//! and never decrease.

mod conntrack;
mod edges;
mod encoder;
mod histogram_text;
mod journeys;
mod occupancy;

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use serde_json::Value;
use tracer_common::{counter::Counter, hook::Hook};

use crate::{cluster::kubernetes::WatchState, rules::RulesState};

use super::status::{Kubernetes, Numbers, Readiness, Status};
use encoder::MetricsEncoder;

/// The media type of the text that [`render`] writes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes all metrics.
pub(super) fn render(status: &Arc<Status>) -> String {
    let mut registry = Registry::default();
    let numbers = status.numbers();
    registry.register_collector(Box::new(Metrics {
        status: Arc::clone(status),
        numbers: Arc::clone(&numbers),
    }));
    let mut text = String::new();
    let written = text::encode_registry(&mut text, &registry).and_then(|()| {
        edges::histograms(&mut text, &numbers.edges);
        text::encode_eof(&mut text)
    });
    match written {
        Ok(()) => text,
        // Writing to a String does not fail: this is an error of this module.
        Err(fmt::Error) => {
            tracing::error!("the metrics cannot be written");
            String::new()
        }
    }
}

/// One scrape. The numbers are read once, so that counters and histograms agree.
#[derive(Debug)]
struct Metrics {
    status: Arc<Status>,
    numbers: Arc<Numbers>,
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let (status, numbers) = (&*self.status, &*self.numbers);
        let mut metrics = MetricsEncoder::new(encoder);
        agent(&mut metrics, status)?;
        journeys::write(&mut metrics, numbers)?;
        failures(&mut metrics, numbers)?;
        edges::counters(&mut metrics, &numbers.edges)?;
        stages(&mut metrics, numbers)?;
        occupancy::write(&mut metrics, status, numbers)?;
        export(&mut metrics, numbers)?;
        rules(&mut metrics, &status.rules())?;
        kubernetes(&mut metrics, &status.kubernetes())?;
        process(&mut metrics)
    }
}

fn agent(metrics: &mut MetricsEncoder<'_>, status: &Status) -> fmt::Result {
    metrics.info(
        "hopspan_build",
        "The agent's version",
        "version",
        env!("CARGO_PKG_VERSION"),
    )?;
    let ready = i64::from(status.readiness() == Readiness::Ready);
    metrics.gauge(
        "hopspan_ready",
        "1 while the agent follows packets, 0 while it starts or ends",
        ready,
    )?;
    metrics.seconds(
        "hopspan_loop_age_seconds",
        "Seconds since the last turn of the agent's loop",
        status.since_turn().as_secs_f64(),
    )?;
    metrics.counter(
        "hopspan_http_connections_displaced",
        "Connections to the agent's HTTP port that were closed because a newer one needed their place",
        status.displaced_connections(),
    )?;
    let missing = status.missing();
    metrics.gauges(
        "hopspan_hook_attached",
        "1 for a hook that is attached, 0 for a hook that is not, because of the kernel or of privileges",
        "hook",
        Hook::ALL.map(|hook| (hook.name(), i64::from(!missing.contains_key(hook.name())))),
    )?;
    let uplinks = status.uplinks();
    metrics.gauges(
        "hopspan_uplink",
        "1 for each device through which the node reaches other nodes",
        "device",
        uplinks.iter().map(|name| (name.as_str(), 1)),
    )
}

/// Failures of the applications' connections and exchanges.
fn failures(metrics: &mut MetricsEncoder<'_>, numbers: &Numbers) -> fmt::Result {
    let failures = numbers.failures.iter().map(|(failure, count)| {
        let labels = [
            ("reason", failure.reason.as_str()),
            ("service", &*failure.service),
            ("hop", failure.hop),
        ];
        (labels, *count)
    });
    metrics.counters_labelled(
        "hopspan_failures",
        "Drops, retransmissions, closed receive windows and failed connections, by reason, hop, and service if kube-proxy's rules name one",
        failures,
    )?;
    metrics.counters(
        "hopspan_conntrack_refusals",
        "Connections that conntrack refused or evicted in the node's network namespace, as counted by the kernel",
        "reason",
        conntrack::read(),
    )
}

/// The counters of the pure stages, by their names in the report's JSON, so that a new counter
/// needs no code here. Plain numbers are labelled `what`; those of a stage `stage` and `reason`.
fn stages(metrics: &mut MetricsEncoder<'_>, numbers: &Numbers) -> fmt::Result {
    let counts = serde_json::to_value(numbers.pipeline).unwrap_or_default();
    let counts: BTreeMap<String, Value> = serde_json::from_value(counts).unwrap_or_default();
    let (mut totals, mut by_stage) = (Vec::new(), Vec::new());
    for (name, count) in &counts {
        match count {
            // `export` writes it as a metric of its own.
            _ if name == "shed" => {}
            Value::Object(losses) => {
                by_stage.extend(losses.iter().filter_map(|(reason, count)| {
                    let labels = [("stage", name.as_str()), ("reason", reason.as_str())];
                    Some((labels, count.as_u64()?))
                }));
            }
            count => totals.extend(count.as_u64().map(|count| (name.as_str(), count))),
        }
    }
    metrics.counters(
        "hopspan_pipeline",
        "Objects that passed the stages in user space",
        "what",
        totals,
    )?;
    metrics.counters_labelled(
        "hopspan_pipeline_losses",
        "Objects that a stage in user space could not place, pair or follow",
        by_stage,
    )
}

fn export(metrics: &mut MetricsEncoder<'_>, numbers: &Numbers) -> fmt::Result {
    let spans = numbers.export;
    metrics.counters(
        "hopspan_spans",
        "Spans accepted by the collector (sent), refused by it for good (failed), or dropped because the queue was full",
        "result",
        [
            ("dropped", spans.dropped),
            ("failed", spans.failed),
            ("sent", spans.sent),
        ],
    )?;
    metrics.counters(
        "hopspan_exchanges_shed",
        "Exchanges of sampled traces without spans: above --max-exchanges-per-second (kernel, or rate in user space)",
        "reason",
        [
            ("kernel", numbers.kernel.get(Counter::Shed)),
            ("rate", numbers.pipeline.shed),
        ],
    )?;
    metrics.gauge(
        "hopspan_export_queue_spans",
        "Spans in the export queue",
        signed(numbers.queue.spans),
    )?;
    metrics.gauge(
        "hopspan_export_queue_max_spans",
        "Spans in the export queue from which on spans are dropped",
        signed(numbers.queue.max_spans),
    )
}

fn rules(metrics: &mut MetricsEncoder<'_>, rules: &RulesState) -> fmt::Result {
    metrics.gauges(
        "hopspan_rules_mode",
        "1 for each mode of kube-proxy whose rules were found",
        "mode",
        rules.modes.iter().map(|mode| (mode.name(), 1)),
    )?;
    for (name, help, count) in [
        (
            "hopspan_rules_decisions",
            "Pairs of service address and endpoint in the rules",
            rules.decisions,
        ),
        (
            "hopspan_rules_refusals",
            "Service addresses that the rules reject or drop",
            rules.refusals,
        ),
        (
            "hopspan_rules_findings",
            "Rules that could not be parsed in the last reading",
            rules.findings,
        ),
    ] {
        metrics.gauge(name, help, i64::try_from(count).unwrap_or(i64::MAX))?;
    }
    metrics.counter(
        "hopspan_rules_reads",
        "Readings of rules that were new or had changed",
        rules.reads,
    )?;
    metrics.counter(
        "hopspan_rules_failures",
        "Readings of the rules that failed",
        rules.failures,
    )?;
    let Some(read) = rules.last_read else {
        return Ok(());
    };
    let since_1970 = read
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    metrics.seconds(
        "hopspan_rules_read_timestamp_seconds",
        "When the rules were last known to be up to date, in seconds since 1970",
        since_1970.as_secs_f64(),
    )
}

fn kubernetes(metrics: &mut MetricsEncoder<'_>, watches: &Kubernetes) -> fmt::Result {
    if watches.is_empty() {
        return Ok(());
    }
    for (name, help, of) in [
        (
            "hopspan_kubernetes_connected",
            "1 while the API's last answer to the watch was a success",
            (|watch| i64::from(watch.connected)) as fn(&WatchState) -> i64,
        ),
        (
            "hopspan_kubernetes_objects",
            "Objects known from the Kubernetes API",
            |watch| i64::try_from(watch.objects).unwrap_or(i64::MAX),
        ),
    ] {
        let values = watches
            .iter()
            .map(|(kind, watch)| (kind.resource(), of(watch)));
        metrics.gauges(name, help, "kind", values)?;
    }
    for (name, help, of) in [
        (
            "hopspan_kubernetes_lists",
            "List requests to the Kubernetes API; each page counts",
            (|watch| watch.lists) as fn(&WatchState) -> u64,
        ),
        (
            "hopspan_kubernetes_watches",
            "Watch requests to the Kubernetes API",
            |watch| watch.watches,
        ),
        (
            "hopspan_kubernetes_errors",
            "Requests to the Kubernetes API that failed",
            |watch| watch.errors,
        ),
    ] {
        let values = watches
            .iter()
            .map(|(kind, watch)| (kind.resource(), of(watch)));
        metrics.counters(name, help, "kind", values)?;
    }
    Ok(())
}

/// The process metrics of Prometheus' client libraries.
fn process(metrics: &mut MetricsEncoder<'_>) -> fmt::Result {
    let Ok(stat) = procfs::process::Process::myself().and_then(|process| process.stat()) else {
        return Ok(());
    };
    let ticks = (stat.utime + stat.stime) as f64;
    metrics.counter_seconds(
        "process_cpu_seconds",
        "User and system time of the agent, in seconds",
        ticks / procfs::ticks_per_second() as f64,
    )?;
    metrics.gauge(
        "process_resident_memory_bytes",
        "Resident memory of the agent's process, without the kernel's maps",
        signed(stat.rss.saturating_mul(procfs::page_size())),
    )
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
