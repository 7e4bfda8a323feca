//! The application in the lab: deployed, asked for rides, stopped. In: the command line. Out:
//! dispatches, and whether all of them succeeded. Knows nothing of hopspan.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hopspan_lab::Node;
use hopspan_lab::hotrod::{Dispatch, HotRod, HotRodOptions, deploy_over};
use hopspan_lab::kube_proxy::{CROWD_ENDPOINTS, crowd};

use super::LabArgs;
use super::fault::Fault;
use crate::progress;

/// How long the batch span processors wait while the lab stays up (OpenTelemetry SDK environment
/// variables, in milliseconds): the default of 5 s would cut traces in two on the viewer's screen.
pub(super) const BATCH_DELAY: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "200");

/// Deploys the application over the nodes.
///
/// # Errors
/// When an instance does not start; the message has its log's tail.
pub(super) fn start(nodes: &[Node], args: &LabArgs) -> Result<HotRod> {
    let env = args
        .run
        .keep
        .then(|| (BATCH_DELAY.0.to_owned(), BATCH_DELAY.1.to_owned()));
    let options = HotRodOptions {
        binary: args.hotrod.clone(),
        otlp_endpoint: None,
        env: env.into_iter().collect(),
        before: crowd(args.run.services)?,
    };
    deploy_over(nodes, &options)
}

/// How many ways to a pod the rules have: one for each endpoint of each service.
pub(super) fn ways(hotrod: &HotRod, args: &LabArgs) -> usize {
    let own = hotrod
        .services()
        .iter()
        .map(|service| service.endpoints.len());
    own.sum::<usize>() + CROWD_ENDPOINTS * args.run.services as usize
}

/// Sends the dispatches that the command line asks for.
///
/// # Errors
/// When the client fails, or a dispatch has another status than 200.
pub(super) fn dispatch(hotrod: &HotRod, args: &LabArgs) -> Result<()> {
    check_statuses(&send(hotrod, args)?)
}

/// The same while something goes wrong.
///
/// # Errors
/// When the client fails, no dispatch suffers, or one fails that should only be slow.
pub(super) fn dispatch_during(
    fault: Fault,
    nodes: &[Node],
    hotrod: &mut HotRod,
    args: &LabArgs,
) -> Result<()> {
    let dispatches = fault.during(nodes, hotrod, |hotrod| send(hotrod, args))?;
    match check_statuses(&dispatches) {
        Err(failed) if fault.is_fatal() => {
            progress::note(&format!("as was asked for, {failed}"));
            Ok(())
        }
        checked => checked,
    }
}

fn send(hotrod: &HotRod, args: &LabArgs) -> Result<Vec<Dispatch>> {
    let (requests, concurrency) = (args.run.requests, args.run.concurrency);
    let what = match requests {
        1 => "sending one dispatch".to_owned(),
        _ => format!("sending {requests} dispatches, {concurrency} at a time"),
    };
    progress::during(what, || hotrod.dispatch(requests, concurrency))
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

    fn dispatches(statuses: &[u16]) -> Vec<Dispatch> {
        let dispatch = |status| Dispatch {
            trace_id: "0".repeat(32),
            status,
            duration_ms: 1.0,
        };
        statuses.iter().copied().map(dispatch).collect()
    }

    #[test]
    fn every_dispatch_has_to_succeed() {
        assert!(check_statuses(&dispatches(&[200, 200])).is_ok());
        let error = check_statuses(&dispatches(&[200, 503, 500, 503]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "of 4 dispatches failed: 1 with status 500, 2 with status 503"
        );
    }
}
