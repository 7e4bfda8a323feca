//! The faults of `run --fault`: HotROD's frontend cannot reach its customer service, as in an
//! incident. In: the running application. Out: the fault, until it is dropped, and what it does to
//! a dispatch.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use hopspan_lab::fault::{self, FullConntrack, Rule, Victims};
use hopspan_lab::hotrod::{Dispatch, HotRod};
use hopspan_lab::kube_proxy::Service;
use hopspan_lab::{Node, Pod};

use crate::value_enum;

/// The service that cannot be reached.
const VICTIM: &str = "customer";
/// The pod that calls it.
const CALLER: &str = "frontend-0";
/// How long a process of the customer service may take to end.
const END: Duration = Duration::from_secs(30);
/// For how long conntrack's table is full: several SYNs are dropped, and the next one passes
/// (kernel 6.5 and later send them a second apart, tcp_syn_linear_timeouts; older ones after 1, 3
/// and 7 s).
const FULL: Duration = Duration::from_secs(4);
/// Free entries that are left in it: for the client's connection to the frontend.
const SPARE: u32 = 1;
/// The least delay by one lost SYN.
const SYN_TIMEOUT_MS: f64 = 900.0;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// The service has no endpoints: kube-proxy's rules reject the call
    NoEndpoints,
    /// A rule like a NetworkPolicy's drops every packet of the call on the node
    Drop,
    /// The first SYN of the call is lost; TCP sends it again after a second
    Retransmit,
    /// Nothing listens in the service's pods
    Refuse,
    /// The node's conntrack table is full for 4 s
    ConntrackFull,
}

/// What undoes a fault when it is dropped.
#[derive(Debug)]
enum Caused {
    Lasting,
    Rule(#[expect(dead_code, reason = "held until it is dropped")] Rule),
    Full(FullConntrack),
}

impl Fault {
    /// Changes the rules, where the agent has to read them before the first dispatch. `before` are
    /// the services before HotROD's. Returns how many endpoints the rules have lost.
    ///
    /// # Errors
    /// When the rules are refused.
    pub(super) fn prepare(
        self,
        nodes: &[Node],
        hotrod: &HotRod,
        before: Vec<Service>,
    ) -> Result<usize> {
        if self != Self::NoEndpoints {
            return Ok(0);
        }
        let (mut services, mut lost) = (before, 0);
        for service in hotrod.services() {
            let mut service = service.clone();
            if service.name == VICTIM {
                lost = service.endpoints.len();
                service.endpoints.clear();
            }
            services.push(service);
        }
        let mut nodes = nodes.iter();
        nodes.try_for_each(|node| node.apply_services(&services))?;
        Ok(lost)
    }

    /// Sends dispatches while the fault lasts.
    ///
    /// # Errors
    /// When it cannot be caused, `dispatch` fails, or no dispatch shows it.
    pub(super) fn during(
        self,
        nodes: &[Node],
        hotrod: &mut HotRod,
        dispatch: impl FnOnce(&HotRod) -> Result<Vec<Dispatch>>,
    ) -> Result<Vec<Dispatch>> {
        let caused = self.cause(nodes, hotrod)?;
        let hotrod = &*hotrod;
        let dispatches = match caused {
            Caused::Full(full) => thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(FULL);
                    drop(full);
                });
                dispatch(hotrod)
            }),
            lasting => {
                let dispatches = dispatch(hotrod);
                drop(lasting);
                dispatches
            }
        }?;
        if !dispatches.iter().any(|dispatch| self.shows_in(dispatch)) {
            bail!("no dispatch shows the fault {}", value_enum::name(&self));
        }
        Ok(dispatches)
    }

    /// Whether dispatches fail; else TCP repairs the fault, and dispatches are slow.
    pub(super) fn is_fatal(self) -> bool {
        match self {
            Self::NoEndpoints | Self::Drop | Self::Refuse => true,
            Self::Retransmit | Self::ConntrackFull => false,
        }
    }

    fn shows_in(self, dispatch: &Dispatch) -> bool {
        if self.is_fatal() {
            dispatch.status != 200
        } else {
            dispatch.duration_ms > SYN_TIMEOUT_MS
        }
    }

    fn cause(self, nodes: &[Node], hotrod: &mut HotRod) -> Result<Caused> {
        let (node, caller) = caller(nodes)?;
        let port = victim(hotrod)
            .and_then(|service| service.endpoints.first())
            .with_context(|| format!("HotROD has no service {VICTIM}"))?
            .port();
        let victims = Victims::of(&caller, port);
        Ok(match self {
            Self::NoEndpoints => Caused::Lasting,
            Self::Drop => Caused::Rule(fault::drop_forwarded(&node, victims)?),
            Self::Retransmit => Caused::Rule(fault::lose_first_syn(&node, victims)?),
            Self::Refuse => {
                for (pod, process) in hotrod.instances() {
                    if pod.name().starts_with(VICTIM) {
                        process.terminate(END)?;
                    }
                }
                Caused::Lasting
            }
            Self::ConntrackFull => Caused::Full(fault::fill_conntrack(&node, SPARE)?),
        })
    }
}

fn victim(hotrod: &HotRod) -> Option<&Service> {
    let mut services = hotrod.services().iter();
    services.find(|service| service.name == VICTIM)
}

/// The pod that makes the call, and its node, which forwards it.
fn caller(nodes: &[Node]) -> Result<(Node, Pod)> {
    let pod = |node: &Node| node.pods().into_iter().find(|pod| pod.name() == CALLER);
    nodes
        .iter()
        .find_map(|node| Some((node.clone(), pod(node)?)))
        .with_context(|| format!("no node has the pod {CALLER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_in_the_status_or_the_duration() {
        let dispatch = |status, duration_ms| Dispatch {
            trace_id: "0".repeat(32),
            status,
            duration_ms,
        };
        for (fault, shows, hides) in [
            (Fault::Drop, dispatch(502, 9.0), dispatch(200, 9_000.0)),
            (
                Fault::Retransmit,
                dispatch(200, 1_009.0),
                dispatch(200, 9.0),
            ),
        ] {
            assert!(
                fault.shows_in(&shows) && !fault.shows_in(&hides),
                "{fault:?}"
            );
        }
    }
}
