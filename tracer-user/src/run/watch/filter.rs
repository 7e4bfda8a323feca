//! Which exchanges a watcher wants.
//!
//! In: the query of its request, which may be hostile. Out: a filter. It runs in the agent, so that
//! only what is wanted leaves it.

use std::net::{IpAddr, SocketAddr};

use tracer_pipeline::span::{Summary, SummaryEnd};

/// Names in a filter, and the length of each.
const MAX_NAMES: usize = 16;
const MAX_NAME_BYTES: usize = 512;

/// What an exchange has to have. All conditions hold; of several names one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::run) struct Filter {
    services: Vec<String>,
    pods: Vec<String>,
    min_ns: u64,
    errors: bool,
    trace_id: Option<String>,
    /// Exchanges without spans, too.
    pub(super) untraced: bool,
}

/// A query that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::run) enum NotAFilter {
    #[error(
        "unknown parameter {0:?}: there are service, pod, min_duration_ns, errors, trace_id, untraced"
    )]
    Unknown(String),
    #[error("{0}: more than {MAX_NAMES} names, or one of more than {MAX_NAME_BYTES} bytes")]
    Names(&'static str),
    #[error("{0}: expected {1}")]
    Value(&'static str, &'static str),
}

impl Filter {
    /// Reads the query of a request.
    pub(in crate::run) fn of_query(query: &str) -> Result<Self, NotAFilter> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "service" => name("service", &mut filter.services, &value)?,
                "pod" => name("pod", &mut filter.pods, &value)?,
                "min_duration_ns" => {
                    let wrong = NotAFilter::Value("min_duration_ns", "nanoseconds");
                    filter.min_ns = value.parse().map_err(|_| wrong)?;
                }
                "errors" => filter.errors = flag("errors", &value)?,
                "untraced" => filter.untraced = flag("untraced", &value)?,
                "trace_id" => {
                    let is_id = value.len() == 32 && value.bytes().all(|b| b.is_ascii_hexdigit());
                    if !is_id {
                        return Err(NotAFilter::Value("trace_id", "32 hexadecimal digits"));
                    }
                    filter.trace_id = Some(value.to_ascii_lowercase());
                }
                unknown => {
                    let short = unknown.chars().take(32).collect();
                    return Err(NotAFilter::Unknown(short));
                }
            }
        }
        Ok(filter)
    }

    /// Whether an exchange is wanted.
    pub(super) fn matches(&self, summary: &Summary<'_>) -> bool {
        let trace_id = summary.trace_id.as_deref();
        let is_named = |wanted: &[String], is: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| is(wanted))
        };
        (self.untraced || trace_id.is_some())
            && summary.total_ns >= self.min_ns
            && (!self.errors || summary.is_error())
            && (self.trace_id.is_none() || self.trace_id.as_deref() == trace_id)
            && is_named(&self.services, &|name| is_service(summary, name))
            && is_named(&self.pods, &|name| {
                is_pod(&summary.client, name) || is_pod(&summary.server, name)
            })
    }
}

fn name(key: &'static str, names: &mut Vec<String>, value: &str) -> Result<(), NotAFilter> {
    if names.len() >= MAX_NAMES || value.len() > MAX_NAME_BYTES {
        return Err(NotAFilter::Names(key));
    }
    names.push(value.to_owned());
    Ok(())
}

fn flag(key: &'static str, value: &str) -> Result<bool, NotAFilter> {
    match value {
        "true" | "" => Ok(true),
        "false" => Ok(false),
        _ => Err(NotAFilter::Value(key, "true or false")),
    }
}

/// Whether the called service is `wanted`: `name`, or `namespace/name`.
fn is_service(summary: &Summary<'_>, wanted: &str) -> bool {
    let Some(service) = summary.service.as_deref() else {
        return false;
    };
    // Without its port, which it has where the rules name it.
    let (namespace, name) = service.split_once('/').unwrap_or(("", service));
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    match wanted.split_once('/') {
        Some(wanted) => wanted == (namespace, name),
        None => wanted == name,
    }
}

/// Whether this end is the pod `wanted`, or one whose name begins so: `name`, `namespace/name`, or its
/// address.
fn is_pod(end: &SummaryEnd<'_>, wanted: &str) -> bool {
    if let Ok(wanted) = wanted.parse::<IpAddr>() {
        let address = end.address.parse::<SocketAddr>();
        return address.is_ok_and(|address| address.ip() == wanted);
    }
    let Some(pod) = end.pod.as_deref() else {
        return false;
    };
    match wanted.split_once('/') {
        Some((namespace, wanted)) => {
            end.namespace.as_deref() == Some(namespace) && pod.starts_with(wanted)
        }
        None => pod.starts_with(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Filter {
        Filter::of_query(query).unwrap()
    }

    fn summary() -> Summary<'static> {
        let text = include_str!("testdata/exchange.json");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn all_conditions_hold() {
        const MS: u64 = 1_000_000;
        for (query, expected) in [
            (String::new(), true),
            ("service=customer".into(), true),
            ("service=hotrod/customer".into(), true),
            ("service=shop/customer".into(), false),
            ("service=route&service=customer".into(), true),
            ("service=custom".into(), false),
            ("pod=frontend".into(), true),
            ("pod=hotrod/customer-".into(), true),
            ("pod=driver".into(), false),
            ("pod=10.244.1.2".into(), true),
            ("pod=10.244.1.9".into(), false),
            (format!("min_duration_ns={MS}"), true),
            (format!("min_duration_ns={}", 10_000 * MS), false),
            ("errors=true".into(), false),
            ("trace_id=0AF7651916CD43DD8448EB211C80319C".into(), true),
            ("trace_id=00000000000000000000000000000001".into(), false),
            ("untraced=true".into(), true),
            ("pod=frontend&service=route".into(), false),
        ] {
            assert_eq!(filter(&query).matches(&summary()), expected, "{query}");
        }
    }

    #[test]
    fn exchanges_without_spans_have_to_be_wanted() {
        let untraced = Summary {
            trace_id: None,
            ..summary()
        };
        assert!(!filter("").matches(&untraced));
        assert!(filter("untraced=true").matches(&untraced));
        assert!(!filter("untraced=false").matches(&untraced));
    }

    #[test]
    fn a_failure_is_an_error() {
        let check = |changed: Summary<'_>| assert!(filter("errors=").matches(&changed));
        check(Summary {
            status: Some(404),
            ..summary()
        });
        check(Summary {
            error: Some("connection_reset".into()),
            ..summary()
        });
        check(Summary {
            grpc_status: Some(14),
            ..summary()
        });
    }

    #[test]
    fn a_hostile_query_is_refused() {
        let many = "service=a&".repeat(MAX_NAMES + 1);
        let long = format!("pod={}", "x".repeat(MAX_NAME_BYTES + 1));
        for query in [
            &*many,
            &long,
            "min_duration_ns=-1",
            "min_duration_ns=99999999999999999999999",
            "errors=perhaps",
            "trace_id=abc",
            "trace_id=0af7651916cd43dd8448eb211c80319g",
            "sevice=a",
        ] {
            assert!(Filter::of_query(query).is_err(), "{query}");
        }
    }
}
