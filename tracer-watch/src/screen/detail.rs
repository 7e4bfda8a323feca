//! One exchange with its path, hop by hop. In: a summary and a width. Out: lines.

use ratatui::{
    style::{Style, Stylize as _},
    text::{Line, Span},
};
use tracer_pipeline::span::{Summary, SummaryEnd, SummaryPath, is_elsewhere};

use crate::{
    line,
    text::{clean, cut_end, duration, left, right, time_of_day},
};

use super::bar::bar;

/// Cells of the names of hops with their devices, and of durations.
const NAME: usize = 32;
const DURATION: usize = 7;
const ID_DIGITS: usize = 12;

/// The lines of the pane.
pub(super) fn lines(summary: &Summary<'_>, cells: usize) -> Vec<Line<'static>> {
    let mut lines = facts(summary, cells);
    for path in &summary.paths {
        lines.push(Line::default());
        lines.extend(path_lines(path, cells));
    }
    lines
}

fn facts(summary: &Summary<'_>, cells: usize) -> Vec<Line<'static>> {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let version = summary
        .http_version
        .as_deref()
        .map(|version| format!(" HTTP/{version}"));
    let request = format!("{}{}", line::request(summary), version.unwrap_or_default());
    facts.push(("request", request));
    let mut result = line::result(summary);
    if let Some(error) = summary.error.as_deref() {
        result += &format!(", {error}");
    }
    facts.push(("result", result));
    facts.push(("time", times(summary)));
    facts.push(("client", end(&summary.client)));
    if let Some(service) = summary.service.as_deref() {
        let asked = summary.nat.as_ref().and_then(|nat| nat.original.as_deref());
        let asked = asked.map(|asked| format!(" at {asked}"));
        facts.push(("service", format!("{service}{}", asked.unwrap_or_default())));
    }
    facts.push(("server", end(&summary.server)));
    if let Some(rule) = &summary.kube_proxy {
        let refusal = rule
            .refusal
            .as_deref()
            .map(|reason| format!("refused, {reason}: "));
        facts.push((
            "rule",
            format!("{}{}", refusal.unwrap_or_default(), rule.rule),
        ));
    }
    if let Some(source) = summary
        .nat
        .as_ref()
        .and_then(|nat| nat.masquerade.as_deref())
    {
        facts.push(("masquerade", source.to_owned()));
    }
    if let Some(drop) = &summary.drop {
        let parts = [&drop.reason, &drop.hop].map(|part| part.as_deref().unwrap_or("unknown"));
        let by = drop.by.as_deref().map(|by| format!(" by {by}"));
        facts.push((
            "dropped",
            format!("{} in {}{}", parts[0], parts[1], by.unwrap_or_default()),
        ));
    }
    if summary.retransmits > 0 {
        facts.push(("sent again", format!("{} packets", summary.retransmits)));
    }
    if !summary.incomplete.is_empty() {
        facts.push(("not seen", summary.incomplete.join(", ")));
    }
    let trace = summary.trace_id.as_deref();
    facts.push((
        "trace",
        trace.unwrap_or("none: no spans are exported").to_owned(),
    ));
    let room = cells.saturating_sub(12);
    let line = |(name, value): (&str, String)| {
        Line::from(vec![
            Span::styled(format!("{name:<11} "), Style::new().dim()),
            Span::raw(cut_end(&clean(&value), room)),
        ])
    };
    facts.into_iter().map(line).collect()
}

fn times(summary: &Summary<'_>) -> String {
    let mut text = format!(
        "{} UTC, total {}",
        time_of_day(summary.start_unix_ns),
        duration(summary.total_ns)
    );
    if let Some(plane) = summary.data_plane_ns {
        let share = plane as f64 / summary.total_ns.max(1) as f64 * 100.0;
        text += &format!(", data plane {} ({share:.1} %)", duration(plane));
    }
    if let Some(half) = summary.half.as_deref() {
        text += &format!("; as the {half}'s node saw it");
    }
    text
}

fn end(end: &SummaryEnd<'_>) -> String {
    let mut text = match (&end.namespace, &end.pod) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod} "),
        (None, Some(pod)) => format!("{pod} "),
        _ => String::new(),
    };
    text += &end.address;
    if let Some(container) = &end.container {
        // Of an id without a name the first digits, as container runtimes print it.
        let is_id = container.len() == 64 && container.is_ascii();
        let container = if is_id {
            &container[..ID_DIGITS]
        } else {
            container
        };
        text += &format!(", container {container}");
    }
    if let Some(node) = &end.node {
        text += &format!(", node {node}");
    }
    text
}

fn path_lines(path: &SummaryPath<'_>, cells: usize) -> Vec<Line<'static>> {
    let room = cells.saturating_sub(NAME + DURATION + 3);
    let longest = path.hops.iter().filter(|hop| !is_elsewhere(&hop.name));
    let longest = longest.map(|hop| hop.duration_ns).max();
    let title = format!(
        "{} {}, begins after {}",
        clean(&path.name),
        duration(path.duration_ns),
        duration(path.start_ns)
    );
    let mut lines = vec![Line::from(title.bold())];
    let mut at_ns = 0;
    for hop in &path.hops {
        let name = match &hop.interface {
            Some(interface) => format!("{} {interface}", hop.name),
            None => hop.name.to_string(),
        };
        let style = match Some(hop.duration_ns) == longest {
            true => Style::new().yellow(),
            false => Style::new().cyan(),
        };
        lines.push(Line::from(vec![
            Span::raw(format!("  {}", left(&clean(&name), NAME - 2))),
            Span::raw(format!(" {} ", right(&duration(hop.duration_ns), DURATION))),
            Span::styled(bar(at_ns, hop.duration_ns, path.duration_ns, room), style),
        ]));
        at_ns += hop.duration_ns;
    }
    if path.hops.is_empty() {
        lines.push(Line::from("  no packet was seen".dim()));
    }
    lines
}
