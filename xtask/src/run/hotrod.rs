//! HotROD in the lab: deployed, and called. In: the command line. Out: dispatches, and whether all
//! of them succeeded. Knows nothing of hopspan.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use hopspan_lab::Node;
use hopspan_lab::hotrod::{Dispatch, HotRod, HotRodOptions, deploy_over};
use hopspan_lab::kube_proxy::Service;

use super::args::RunArgs;
use super::fault::Fault;
use crate::progress;

/// How long the batch span processors wait while the lab stays up (an environment variable of the
/// OpenTelemetry SDK, in milliseconds): the default of 5 s would cut traces in two on the viewer's
/// screen.
pub(super) const BATCH_DELAY: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "200");

/// Deploys HotROD over the nodes, with its services behind `before` in the rules.
///
/// # Errors
/// When an instance does not start; the message has the end of its log.
pub(super) fn start(
    nodes: &[Node],
    binary: &Path,
    before: &[Service],
    args: &RunArgs,
) -> Result<HotRod> {
    let batch_delay = args
        .keep
        .then(|| (BATCH_DELAY.0.into(), BATCH_DELAY.1.into()));
    let options = HotRodOptions {
        binary: binary.to_owned(),
        otlp_endpoint: None,
        env: batch_delay.into_iter().collect(),
        before: before.to_vec(),
    };
    deploy_over(nodes, &options)
}

/// Sends the dispatches of the command line.
///
/// # Errors
/// When the client fails, or the status of a dispatch is not 200.
pub(super) fn dispatch(hotrod: &HotRod, args: &RunArgs) -> Result<()> {
    check_statuses(&send(hotrod, args)?)
}

/// Sends the dispatches of the command line while a fault lasts.
///
/// # Errors
/// When the client fails, no dispatch shows the fault, or one fails that should only be slow.
pub(super) fn dispatch_during(
    fault: Fault,
    nodes: &[Node],
    hotrod: &mut HotRod,
    args: &RunArgs,
) -> Result<()> {
    let dispatches = fault.during(nodes, hotrod, |hotrod| send(hotrod, args))?;
    match check_statuses(&dispatches) {
        Err(failed) if fault.is_fatal() => {
            progress::note(&format!("as expected with this fault: {failed}"));
            Ok(())
        }
        checked => checked,
    }
}

fn send(hotrod: &HotRod, args: &RunArgs) -> Result<Vec<Dispatch>> {
    let what = match args.requests {
        1 => "sending one dispatch".to_owned(),
        count => format!("sending {count} dispatches, {} at a time", args.concurrency),
    };
    progress::during(what, || hotrod.dispatch(args.requests, args.concurrency))
}

fn check_statuses(dispatches: &[Dispatch]) -> Result<()> {
    let mut failed: BTreeMap<u16, usize> = BTreeMap::new();
    for dispatch in dispatches.iter().filter(|dispatch| dispatch.status != 200) {
        *failed.entry(dispatch.status).or_default() += 1;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let counts: Vec<String> = failed
        .iter()
        .map(|(status, count)| format!("{count} with status {status}"))
        .collect();
    bail!(
        "of {} dispatches failed: {}",
        dispatches.len(),
        counts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dispatch_has_to_succeed() {
        let check = |statuses: &[u16]| {
            let dispatches = statuses.iter().map(|status| Dispatch {
                trace_id: "0".repeat(32),
                status: *status,
                duration_ms: 1.0,
            });
            check_statuses(&dispatches.collect::<Vec<_>>())
        };
        assert!(check(&[200, 200]).is_ok());
        let error = check(&[200, 503, 500, 503]).unwrap_err().to_string();
        let expected = "of 4 dispatches failed: 1 with status 500, 2 with status 503";
        assert_eq!(error, expected);
    }
}
