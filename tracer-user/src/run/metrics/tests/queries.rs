//! The queries of the dashboard and of the alerts name metrics and labels that `/metrics` has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::*;

/// Labels that Prometheus adds to each series of a target.
const OF_TARGET: [&str; 2] = ["instance", "job"];

/// The names of the labels of each metric; empty where it has no sample now.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics of a full agent.
fn rendered() -> Labels {
    let status = Arc::new(Status::new());
    status.publish(numbers());
    let mut metrics = Labels::new();
    for line in render(&status).lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            let suffix = match kind {
                // Its samples have suffixes of their own.
                "histogram" => continue,
                "counter" => "_total",
                _ => "",
            };
            metrics.entry(format!("{name}{suffix}")).or_default();
        } else if !line.starts_with('#') {
            let sample = line.split(" # ").next().unwrap();
            let (series, _) = sample.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let metric = metrics.entry(name.to_owned()).or_default();
            metric.extend(label_names(labels));
        }
    }
    metrics
}

/// The names in `a="1",b="2"}`, or with other operators than `=`.
fn label_names(selector: &str) -> Vec<String> {
    let mut is_quoted = false;
    let unquoted: String = selector
        .chars()
        .filter(|letter| {
            is_quoted ^= *letter == '"';
            !is_quoted && *letter != '"'
        })
        .collect();
    let matchers = unquoted.split(['}', ',']);
    let names = matchers.map(|matcher| matcher.trim().trim_end_matches(['=', '~', '!']));
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What in a query is not among the metrics.
fn unknown(query: &str, metrics: &Labels) -> Vec<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    let mut of_query: BTreeSet<&str> = OF_TARGET.into();
    let mut lists = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        if name.starts_with("hopspan_") || name.starts_with("process_") {
            let Some(labels) = metrics.get(name) else {
                found.push(format!("no metric {name}"));
                continue;
            };
            of_query.extend(labels.iter().map(String::as_str));
            let Some(selector) = after.strip_prefix('{') else {
                // `label_values(metric, label)`
                let label = after
                    .strip_prefix(", ")
                    .and_then(|label| label.split(')').next());
                lists.extend(label.filter(|_| query.starts_with("label_values")));
                continue;
            };
            let (selector, behind) = selector.split_once('}').unwrap();
            rest = behind;
            for label in label_names(selector) {
                if !labels.is_empty() && !labels.contains(&label) {
                    found.push(format!("{name} has no label {label}"));
                }
            }
        } else if ["by", "on"].contains(&name) {
            let list = after.trim_start().strip_prefix('(').unwrap();
            let (list, behind) = list.split_once(')').unwrap();
            rest = behind;
            lists.extend(list.split(',').map(str::trim));
        }
    }
    let missing = lists.iter().filter(|label| !of_query.contains(**label));
    found.extend(missing.map(|label| format!("no label {label} in {query}")));
    found
}

fn deploy(path: &str) -> String {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    fs::read_to_string(deploy.join(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&deploy("grafana/hopspan.json")).unwrap()
}

/// The panels of the dashboard that are no headings.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row")
}

#[test]
fn the_dashboard_queries_metrics_that_exist() {
    let (dashboard, metrics) = (dashboard(), rendered());
    let targets = panels(&dashboard).flat_map(|panel| panel["targets"].as_array().unwrap());
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter(|variable| variable["type"] == "query");
    let queries = targets
        .map(|target| &target["expr"])
        .chain(variables.map(|variable| &variable["definition"]));
    let queries: Vec<&str> = queries.map(|query| query.as_str().unwrap()).collect();
    assert!(queries.len() > 30, "{}", queries.len());
    let missing: Vec<String> = queries
        .iter()
        .flat_map(|query| unknown(query, &metrics))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_panel_explains_itself() {
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        let has = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let defaults = &panel["fieldConfig"]["defaults"];
        let complete = has(&panel["title"]) && has(&panel["description"]) && has(&defaults["unit"]);
        assert!(complete, "{panel:#}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel:#}");
    }
    assert!(dashboard["schemaVersion"].as_u64() >= Some(39));
}

#[test]
fn the_alerts_query_metrics_that_exist() {
    let rules = deploy("prometheus/hopspan.rules.yaml");
    let metrics = rendered();
    let queries = rules.split("expr:").skip(1).map(|rule| {
        let end = rule.find("for:").expect("every alert has a time");
        rule[..end].trim().trim_start_matches('|')
    });
    let missing: Vec<String> = queries.flat_map(|query| unknown(query, &metrics)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_renamed_metric_or_label_is_found() {
    let metrics = rendered();
    for (query, expected) in [
        ("rate(hopspan_ready[5m])", 0),
        (
            "sum by (hop, le) (rate(hopspan_hop_duration_seconds_bucket[5m]))",
            0,
        ),
        (
            "sum by (result) (hopspan_requests_total{side=\"a,b\", node=~\"$node\"})",
            0,
        ),
        ("hopspan_hop_duration_seconds", 1),
        ("hopspan_unheard_of_total", 1),
        ("sum by (pod) (hopspan_ready)", 1),
        ("hopspan_requests_total{status=\"2xx\", node=\"a\"}", 1),
        ("label_values(hopspan_requests_total, client)", 0),
        ("label_values(hopspan_requests_total, user)", 1),
    ] {
        let unknown = unknown(query, &metrics);
        assert_eq!(unknown.len(), expected, "{query}: {unknown:?}");
    }
}
