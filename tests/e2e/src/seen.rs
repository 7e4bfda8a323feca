//! What an agent saw, in one line: `SEEN` and a JSON object. `cargo xtask vm` makes its table of
//! kernels from these lines: that a test has passed does not show which hooks the kernel has.

use serde_json::json;
use tracer_semconv::attribute;

use crate::{Kernel, Outcome};

/// The line for an outcome.
pub fn seen(outcome: &Outcome) -> String {
    let missing = outcome.report().missing();
    let hits = outcome.report().hits();
    let attached: Vec<&String> = hits
        .keys()
        .filter(|hook| !missing.contains_key(*hook))
        .collect();
    let exchanges: usize = outcome
        .traces
        .0
        .values()
        .map(|trace| trace.exchanges().len())
        .sum();
    let line = json!({
        "kernel": Kernel::running().release(),
        "attached": attached,
        "missing": missing,
        "exchanges": exchanges,
        "hops": request_hops(outcome),
    });
    format!("SEEN {line}")
}

/// The names of one request's hops, in order.
fn request_hops(outcome: &Outcome) -> Vec<&str> {
    let hops = outcome.traces.0.values().find_map(|trace| {
        let request = trace.of_role("request").next()?;
        Some(trace.children(request))
    });
    hops.unwrap_or_default()
        .into_iter()
        .map(|hop| hop.attribute(attribute::HOP))
        .collect()
}
