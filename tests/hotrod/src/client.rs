//! The client, which starts every trace. In: the number of dispatches, their concurrency and rate.
//! Out: requests to the frontend, and on stdout one line of JSON for each response, or one for all.

mod schedule;
mod summary;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::call::{self, CallError, Target, append};
use crate::pool::{Lease, Pool};
use crate::upstream::Upstream;

use schedule::Schedule;
use summary::Summary;

/// The arguments of the client.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The frontend service
    #[arg(long, value_name = "URL")]
    frontend: Upstream,
    /// Dispatches to send
    #[arg(long, value_name = "N", default_value_t = 1)]
    requests: u64,
    /// Dispatches in progress at a time, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    concurrency: u32,
    /// Dispatches a second, each due at a time that is fixed before the first; its latency counts
    /// from that time, also when it waits for a free connection [default: as fast as answers come]
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Print one line about all dispatches, with percentiles of their latencies, at the end
    #[arg(long)]
    summary: bool,
    /// The customer who orders a car: 123, 392, 567 or 731
    #[arg(long, value_name = "ID", default_value = "123")]
    customer_id: String,
    /// A request header to add; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send no trace context and record no span
    #[arg(long, conflicts_with = "traceparent")]
    no_trace: bool,
    /// Send this traceparent unchanged, well-formed or not, and record no span
    #[arg(long, value_name = "VALUE", value_parser = parse_header_value)]
    traceparent: Option<HeaderValue>,
}

/// One line of output.
#[derive(Debug, Serialize)]
struct Line {
    /// 32 hexadecimal digits; empty without a span.
    trace_id: String,
    /// The HTTP status; 0 without a response.
    status: u16,
    /// From before connecting, or from the time when it was due, until the body was read.
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What all workers share.
#[derive(Debug)]
struct Plan {
    frontend: Arc<Pool>,
    target: Target,
    headers: HeaderMap,
    traced: bool,
    schedule: Schedule,
    summary: Option<Summary>,
}

/// Sends all dispatches, or those begun before `shutdown` completes.
///
/// # Errors
/// When a dispatch got no response (of whatever status), or stdout is closed.
pub(crate) async fn run(
    args: ClientArgs,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let requests = args.requests;
    let concurrency = args.concurrency;
    let plan = Arc::new(Plan::new(args));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        workers.spawn(work(Arc::clone(&plan)));
    }
    let mut unanswered = 0;
    let finished = async {
        while let Some(worker) = workers.join_next().await {
            unanswered += worker.context("run a client worker")??;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        finished = finished => finished?,
        () = shutdown => return Ok(()),
    }
    if let Some(summary) = &plan.summary {
        print(&summary.line()).context("write to stdout")?;
    }
    if unanswered > 0 {
        bail!("{unanswered} of {requests} dispatches got no answer; see `error` in the output");
    }
    Ok(())
}

impl Plan {
    fn new(args: ClientArgs) -> Self {
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in args.headers {
            headers.append(name, value);
        }
        let traced = !args.no_trace && args.traceparent.is_none();
        if let Some(traceparent) = args.traceparent {
            headers.append("traceparent", traceparent);
        }
        Self {
            frontend: Pool::new(args.frontend),
            target: Target::new("/dispatch", &[("customer", &args.customer_id)]),
            headers,
            traced,
            schedule: Schedule::new(args.requests, args.rate),
            summary: args.summary.then(Summary::new),
        }
    }
}

/// Sends dispatches until all are begun. Returns how many of its own got no response.
async fn work(plan: Arc<Plan>) -> anyhow::Result<u64> {
    let mut unanswered = 0;
    let mut lease = plan.frontend.lease();
    while let Some(due) = plan.schedule.next().await {
        let line = dispatch(&plan, &mut lease, due).await;
        unanswered += u64::from(line.error.is_some());
        match &plan.summary {
            Some(summary) => summary.add(due.elapsed(), line.status),
            None => print(&line).context("write to stdout")?,
        }
    }
    Ok(unanswered)
}

async fn dispatch(plan: &Plan, lease: &mut Lease, due: Instant) -> Line {
    let (trace_id, result) = if plan.traced {
        let cx = call::start_span(lease.upstream(), &plan.target, &Context::new());
        let trace_id = cx.span().span_context().trace_id().to_string();
        (
            trace_id,
            call::get(lease, &plan.target, &plan.headers, &cx).await,
        )
    } else {
        (String::new(), untraced_get(plan, lease).await)
    };
    let duration = due.elapsed();
    let (status, error) = match result {
        Ok(response) => (response.status().as_u16(), None),
        Err(error) => (0, Some(format!("{:#}", anyhow::Error::new(error)))),
    };
    Line {
        trace_id,
        status,
        duration_ms: milliseconds(duration),
        error,
    }
}

async fn untraced_get(plan: &Plan, lease: &mut Lease) -> Result<Response<Bytes>, CallError> {
    let mut request = plan.target.request(lease.upstream())?;
    append(request.headers_mut(), &plan.headers);
    Ok(lease.exchange(request, |_addresses| ()).await?)
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Prints a whole line at once, so that lines of several workers do not mix.
fn print(line: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

fn parse_header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| anyhow!("write `name: value`"))?;
    let name = name
        .parse()
        .with_context(|| format!("`{name}` is not a header name"))?;
    Ok((name, parse_header_value(value.trim())?))
}

fn parse_header_value(text: &str) -> anyhow::Result<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).context("a header value has no control characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_name_colon_value() {
        let (name, value) = parse_header("X-Test: a: b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-test", "a: b"));
        for text in ["", "x-test", "x test: a", ": a", "x-test: a\nb"] {
            assert!(
                parse_header(text).is_err(),
                "{text:?} was parsed as a header"
            );
        }
    }
}
