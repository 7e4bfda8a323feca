//! What `run --fault` lets go wrong: a call of HotROD's frontend to its customer service, as an
//! incident would. In: the running application. Out: the fault, until it is dropped, and what is to
//! become of a dispatch.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use hopspan_lab::fault::{self, FullConntrack, Rule, Victims};
use hopspan_lab::hotrod::{Dispatch, HotRod};
use hopspan_lab::kube_proxy::{Service, crowd};
use hopspan_lab::{Node, Pod};

use super::LabArgs;

/// The service that cannot be reached.
const VICTIM: &str = "customer";
/// Who wants to reach it.
const CALLER: &str = "frontend-0";
/// How long a customer's process may take to end.
const END: Duration = Duration::from_secs(30);
/// For how long conntrack's table is full: the SYN is sent several times in vain, and then once more (a second apart from
/// kernel 6.5, tcp_syn_linear_timeouts; after 1, 3 and 7 s before).
const FULL: Duration = Duration::from_secs(4);
/// Places left in it: for the connection of the client to the frontend.
const SPARE: u32 = 1;
/// What a SYN that was lost once costs at least.
const SYN_TIMEOUT_MS: f64 = 900.0;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// The service has no endpoints: kube-proxy's rules reject the call
    NoEndpoints,
    /// A rule as a NetworkPolicy's drops every packet of the call on the node
    Drop,
    /// The first SYN of the call is lost; TCP sends it again after a second
    Retransmit,
    /// Nobody listens in the service's pods
    Refuse,
    /// The node's conntrack table is full for 4 s
    ConntrackFull,
}

/// A fault, and how it is undone.
#[derive(Debug)]
enum Caused {
    Lasting,
    Rule(#[expect(dead_code, reason = "held until it is dropped")] Rule),
    Full(FullConntrack),
}

impl Fault {
    /// The value of `--fault`.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How many ways to a pod the rules have less.
    pub(super) fn lost_ways(self, hotrod: &HotRod) -> usize {
        match self {
            Self::NoEndpoints => victim(hotrod).map_or(0, |service| service.endpoints.len()),
            _ => 0,
        }
    }

    /// What must be changed before the agent reads the rules once more.
    ///
    /// # Errors
    /// When the rules are refused.
    pub(super) fn prepare(self, nodes: &[Node], hotrod: &HotRod, args: &LabArgs) -> Result<()> {
        if self != Self::NoEndpoints {
            return Ok(());
        }
        let mut services = crowd(args.run.services)?;
        services.extend(hotrod.services().iter().map(|service| Service {
            endpoints: match service.name.as_str() {
                VICTIM => Vec::new(),
                _ => service.endpoints.clone(),
            },
            ..service.clone()
        }));
        nodes
            .iter()
            .try_for_each(|node| node.apply_services(&services))
    }

    /// Sends dispatches while it lasts.
    ///
    /// # Errors
    /// When it cannot be caused, `dispatch` fails, or no dispatch suffers.
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
            bail!("no dispatch suffers from the fault {}", self.name());
        }
        Ok(dispatches)
    }

    /// Whether a dispatch is to fail; of the others TCP repairs what went wrong.
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
        let (node, caller) = place(nodes)?;
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

/// The node that forwards the call, and the pod that makes it.
fn place(nodes: &[Node]) -> Result<(Node, Pod)> {
    let caller = |node: &Node| node.pods().into_iter().find(|pod| pod.name() == CALLER);
    nodes
        .iter()
        .find_map(|node| Some((node.clone(), caller(node)?)))
        .with_context(|| format!("no node has the pod {CALLER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_must_show() {
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

    #[test]
    fn names_are_the_command_line_s() {
        let names: Vec<String> = Fault::value_variants()
            .iter()
            .map(|fault| fault.name())
            .collect();
        let expected = [
            "no-endpoints",
            "drop",
            "retransmit",
            "refuse",
            "conntrack-full",
        ];
        assert_eq!(names, expected);
    }
}
