//! Follows the jumps of a nat table from `KUBE-SERVICES` to the endpoints. In: chains of rules.
//! Out: a path for each portal and endpoint, in [`Rules`]. Follows rules as a packet would, so it
//! needs no knowledge of which chains a version of kube-proxy uses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::finding::{Findings, Problem};
use super::iptables_save::NatTable;
use super::nat_rule::{NatRule, SourceCondition, Target};
use super::{Decision, Masquerade, Portal, Protocol, Rules};

/// Where kube-proxy hangs its rules: PREROUTING and OUTPUT jump here.
const FIRST_CHAIN: &str = "KUBE-SERVICES";

/// Marks a packet for SNAT in POSTROUTING and returns.
const MASQUERADE_CHAIN: &str = "KUBE-MARK-MASQ";

/// Most chains on one path. The longest of kube-proxy is SERVICES, NODEPORTS, EXT, SVC, SEP; older
/// versions had XLB and FW besides.
const MAX_DEPTH: usize = 8;

/// Most rules looked at in one table. A service's chains are walked again for each of its portals,
/// so this is more than the rules there are; without it, chains that jump twice to the next would
/// double the work at each.
const MAX_STEPS: usize = 4_000_000;

/// Most paths kept, which bounds memory at about 100 MB for the worst text.
const MAX_PATHS: usize = 400_000;

/// Adds every path through the table to the rules.
pub(super) fn walk(table: &NatTable<'_>, rules: &mut Rules, findings: &mut Findings) {
    let first = Traffic {
        scope: Scope::default(),
        to_node: false,
        only_from_node: false,
        session_affinity: false,
        service: None,
        masquerade: Vec::new(),
        chains: vec![Arc::from(FIRST_CHAIN)],
    };
    let mut walk = Walk {
        table,
        rules,
        findings,
        steps_left: MAX_STEPS,
        names: HashMap::new(),
    };
    walk.visit(FIRST_CHAIN, &first);
}

/// The packets that get to a place in the rules, and what happened to them on the way.
#[derive(Clone)]
struct Traffic {
    scope: Scope,
    to_node: bool,
    only_from_node: bool,
    session_affinity: bool,
    service: Option<Arc<str>>,
    masquerade: Vec<Masquerade>,
    chains: Vec<Arc<str>>,
}

/// The destinations that a set of packets can have. `None`: any.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Scope {
    ip: Option<IpAddr>,
    protocol: Option<Protocol>,
    port: Option<u16>,
}

impl Scope {
    /// The part of it that meets the rule's conditions, or `None` when nothing does. A network of
    /// many addresses does not narrow it: no portal of kube-proxy is one, except the node's own
    /// addresses.
    fn narrow(self, rule: &NatRule<'_>) -> Option<Self> {
        let mut ip = self.ip;
        if let Some(destination) = rule.destination {
            match (ip, destination.network.host()) {
                (Some(ip), _) if destination.network.contains(ip) == destination.negated => {
                    return None;
                }
                (None, Some(host)) if !destination.negated => ip = Some(host),
                _ => {}
            }
        }
        Some(Self {
            ip,
            protocol: both(self.protocol, rule.protocol)?,
            port: both(self.port, rule.destination_port)?,
        })
    }
}

/// What two conditions allow together, or `None` when they exclude each other.
fn both<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

impl Traffic {
    /// What meets the rule's conditions, before it goes where the rule sends it.
    fn meeting(&self, rule: &NatRule<'_>, scope: Scope, marks: &Marks) -> Self {
        let mut traffic = self.clone();
        traffic.scope = scope;
        traffic.to_node |= rule.to_node;
        traffic.only_from_node |= rule.source == SourceCondition::Node;
        traffic.session_affinity |= rule.returning_client;
        if let Some(service) = &rule.service
            && self.service.as_deref() != Some(&**service)
        {
            traffic.service = Some(Arc::from(&**service));
        }
        for reason in marks.of(self.scope, scope) {
            if !traffic.masquerade.contains(&reason) {
                traffic.masquerade.push(reason);
            }
        }
        traffic
    }

    fn portal(&self) -> Option<Portal> {
        let (protocol, port) = (self.scope.protocol?, self.scope.port?);
        match self.scope.ip {
            Some(ip) => Some(Portal::Address(ip, port, protocol)),
            None => self.to_node.then_some(Portal::NodePort(port, protocol)),
        }
    }
}

/// The reasons for which a chain's rules so far have marked packets, by the packets' destinations.
#[derive(Default)]
struct Marks(HashMap<Scope, Vec<Masquerade>>);

impl Marks {
    /// Each reason once: a text may repeat a rule as often as it likes.
    fn add(&mut self, scope: Scope, rule: &NatRule<'_>) {
        let reason = match rule.source {
            SourceCondition::Any => Masquerade::EveryConnection,
            SourceCondition::NotPod => Masquerade::FromOutsidePodNetwork,
            SourceCondition::Node => Masquerade::FromNode,
            SourceCondition::Host(_) => Masquerade::Hairpin,
            SourceCondition::Network => Masquerade::FromNamedNetwork,
        };
        let reasons = self.0.entry(scope).or_default();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }

    /// Packets from the node that a rule of their own led away do not meet the rules after it.
    fn jumped(&mut self, scope: Scope, rule: &NatRule<'_>) {
        if rule.source == SourceCondition::Node
            && let Some(reasons) = self.0.get_mut(&scope)
        {
            reasons.retain(|reason| *reason != Masquerade::FromNode);
        }
    }

    /// The reasons for packets of `scope`, in a chain that packets of `chain_scope` got to: a mark
    /// is either for all that the chain sees or for the same destination as the rule it belongs
    /// to.
    fn of(&self, chain_scope: Scope, scope: Scope) -> impl Iterator<Item = Masquerade> {
        let for_all = (chain_scope != scope)
            .then(|| self.0.get(&chain_scope))
            .flatten();
        let reasons = [for_all, self.0.get(&scope)];
        reasons.into_iter().flatten().flatten().copied()
    }
}

struct Walk<'w, 't> {
    table: &'w NatTable<'t>,
    rules: &'w mut Rules,
    findings: &'w mut Findings,
    steps_left: usize,
    /// One allocation per chain, shared by all paths through it.
    names: HashMap<&'w str, Arc<str>>,
}

impl<'w> Walk<'w, '_> {
    fn visit(&mut self, chain: &str, traffic: &Traffic) {
        let table = self.table;
        let mut marks = Marks::default();
        for rule in table.chains.get(chain).into_iter().flatten() {
            if self.steps_left == 0 {
                return;
            }
            self.steps_left -= 1;
            if self.steps_left == 0 {
                self.findings.add(rule.line, Problem::TooLarge);
            }
            let Some(scope) = traffic.scope.narrow(rule) else {
                continue;
            };
            match &rule.target {
                Target::Chain(target) if target == MASQUERADE_CHAIN => marks.add(scope, rule),
                Target::Chain(target) => {
                    self.jump(rule, target, traffic.meeting(rule, scope, &marks));
                    marks.jumped(scope, rule);
                }
                Target::Dnat(endpoint) => {
                    self.translate(rule, *endpoint, traffic.meeting(rule, scope, &marks));
                }
                Target::Other => {}
            }
        }
    }

    fn jump(&mut self, rule: &NatRule<'_>, target: &'w str, mut traffic: Traffic) {
        let problem = if !self.table.chains.contains_key(target) {
            Problem::MissingChain
        } else if traffic.chains.iter().any(|chain| **chain == *target) {
            Problem::Loop
        } else if traffic.chains.len() == MAX_DEPTH {
            Problem::TooDeep
        } else {
            let name = self
                .names
                .entry(target)
                .or_insert_with(|| Arc::from(target));
            traffic.chains.push(Arc::clone(name));
            self.visit(target, &traffic);
            return;
        };
        self.findings.add(rule.line, problem);
    }

    fn translate(&mut self, rule: &NatRule<'_>, endpoint: SocketAddr, traffic: Traffic) {
        let (Some(portal), Some(service)) = (traffic.portal(), traffic.service) else {
            self.findings.add(rule.line, Problem::NoService);
            return;
        };
        if self.rules.len() == MAX_PATHS {
            self.steps_left = 0;
            self.findings.add(rule.line, Problem::TooLarge);
            return;
        }
        let decision = Decision {
            service,
            chains: traffic.chains,
            session_affinity: traffic.session_affinity,
            masquerade: traffic.masquerade,
            only_from_node: traffic.only_from_node,
        };
        self.rules.insert(portal, endpoint, decision);
    }
}
