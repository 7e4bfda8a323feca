//! Follows the jumps of a table from its first chains to DNAT and refusing rules.
//!
//! In: chains of rules. Out: the paths of each portal and endpoint, in [`Rules`]. It follows rules
//! as a packet would, so it does not depend on the chains of a version of kube-proxy.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::decision::{Answer, Decision, Refusal};
use super::finding::{Findings, Problem};
use super::portal::{Portal, is_local, kind, reason};
use super::rule::{Rule, Target};
use super::rule_comment::Remark;
use super::source::Source;
use super::table::Table;
use super::{Protocol, Rules, endpoint};

/// Bound on chains of one path. kube-proxy's longest is SERVICES, NODEPORTS, EXT, SVC, SEP; older
/// versions also had XLB and FW.
const MAX_DEPTH: usize = 8;

/// Bound on visits of rules in one table. It is larger than the bound on rules, because a service's
/// chains are walked for each of its portals. Without it, chains with two jumps to the next chain
/// would take exponential time.
const MAX_STEPS: usize = 4_000_000;

/// Adds every path through the table to the rules.
pub(super) fn walk(table: &Table<'_>, rules: &mut Rules, findings: &mut Findings) {
    let mut walk = Walk {
        table,
        rules,
        findings,
        steps_left: MAX_STEPS,
        names: HashMap::new(),
    };
    for first in table.kind.first_chains() {
        let traffic = Traffic {
            chains: vec![Arc::from(*first)],
            ..Traffic::default()
        };
        walk.visit(first, &traffic);
    }
}

/// The packets that reach a rule, and the effects of the rules on their way.
#[derive(Clone, Default)]
struct Traffic {
    scope: Scope,
    to_node: bool,
    from: Vec<Source>,
    session_affinity: bool,
    service: Option<Arc<str>>,
    remark: Option<Remark>,
    masquerade: Vec<Source>,
    chains: Vec<Arc<str>>,
}

/// The destinations of a set of packets. `None`: any.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Scope {
    ip: Option<IpAddr>,
    protocol: Option<Protocol>,
    port: Option<u16>,
}

impl Scope {
    /// The part of the scope that meets the rule's conditions; `None` where it is empty. A network
    /// of several addresses does not narrow the scope: kube-proxy has no such portal except the
    /// node's own addresses.
    fn narrow(self, rule: &Rule<'_>) -> Option<Self> {
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

/// The conjunction of two conditions; `None` where they exclude each other.
fn both<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

impl Traffic {
    /// The traffic that meets the rule's conditions.
    fn meeting(&self, rule: &Rule<'_>, scope: Scope, marks: &Marks) -> Self {
        let mut traffic = self.clone();
        traffic.scope = scope;
        traffic.to_node |= rule.to_node;
        if rule.source != Source::Any && !traffic.from.contains(&rule.source) {
            traffic.from.push(rule.source);
        }
        traffic.session_affinity |= rule.returning_client;
        if let Some(service) = &rule.service
            && self.service.as_deref() != Some(&**service)
        {
            traffic.service = Some(Arc::from(&**service));
        }
        traffic.remark = rule.remark.or(traffic.remark);
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

/// The sources that a chain's rules so far have marked for masquerade, by the packets'
/// destinations.
#[derive(Default)]
struct Marks(HashMap<Scope, Vec<Source>>);

impl Marks {
    /// Adds the rule's source, unless an equal rule has added it.
    fn add(&mut self, scope: Scope, rule: &Rule<'_>) {
        let reasons = self.0.entry(scope).or_default();
        if !reasons.contains(&rule.source) {
            reasons.push(rule.source);
        }
    }

    /// Packets from the node that a jump of their own took away do not reach the rules after it.
    fn jumped(&mut self, scope: Scope, rule: &Rule<'_>) {
        if rule.source == Source::Node
            && let Some(reasons) = self.0.get_mut(&scope)
        {
            reasons.retain(|reason| *reason != Source::Node);
        }
    }

    /// The marked sources for packets of `scope`, in a chain that packets of `chain_scope` reach. A
    /// mark applies to all packets in the chain, to those of an address (the set of cluster IPs in
    /// nftables mode), or to those of the same destination as its rule.
    fn of(&self, chain_scope: Scope, scope: Scope) -> impl Iterator<Item = Source> {
        let address = Scope {
            ip: scope.ip,
            ..chain_scope
        };
        let wider = (address != chain_scope).then_some(address);
        let own = (scope != chain_scope && scope != address).then_some(scope);
        let scopes = [Some(chain_scope), wider, own];
        let reasons = scopes.into_iter().flatten().filter_map(|s| self.0.get(&s));
        reasons.flatten().copied()
    }
}

struct Walk<'w, 't> {
    table: &'w Table<'t>,
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
                self.findings.add(rule.position, Problem::TooLarge);
            }
            let Some(scope) = traffic.scope.narrow(rule) else {
                continue;
            };
            match &rule.target {
                Target::Mark => marks.add(scope, rule),
                Target::Chain(target) => {
                    self.jump(rule, target, traffic.meeting(rule, scope, &marks));
                    marks.jumped(scope, rule);
                }
                Target::Dnat(endpoint) => {
                    self.translate(rule, *endpoint, traffic.meeting(rule, scope, &marks));
                }
                Target::Refuse(answer) => {
                    self.refuse(*answer, traffic.meeting(rule, scope, &marks));
                }
                Target::Other => {}
            }
        }
    }

    fn jump(&mut self, rule: &Rule<'_>, target: &'w str, mut traffic: Traffic) {
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
        self.findings.add(rule.position, problem);
    }

    fn translate(&mut self, rule: &Rule<'_>, chosen: SocketAddr, traffic: Traffic) {
        let (Some(portal), Some(service)) = (traffic.portal(), traffic.service) else {
            self.findings.add(rule.position, Problem::NoService);
            return;
        };
        let mut masquerade: Vec<Source> = traffic
            .masquerade
            .into_iter()
            .map(|source| to_endpoint(source, chosen.ip()))
            .collect();
        let hairpin = |protocol| self.table.hairpins.contains(&(endpoint(chosen), protocol));
        if hairpin(portal.protocol()) && !masquerade.contains(&Source::Endpoint) {
            masquerade.push(Source::Endpoint);
        }
        let decision = Decision {
            service,
            portal: kind(portal, &traffic.chains, traffic.remark),
            local_endpoints_only: traffic.chains.iter().any(|chain| is_local(chain)),
            chains: traffic.chains,
            session_affinity: traffic.session_affinity,
            from: traffic.from,
            masquerade,
        };
        if !self.rules.insert(portal, chosen, decision) {
            self.steps_left = 0;
            self.findings.add(rule.position, Problem::TooLarge);
        }
    }

    /// Adds a refusal. Packets refused without a service and port, such as those to addresses of no
    /// service, are ignored.
    fn refuse(&mut self, answer: Answer, traffic: Traffic) {
        if let (Some(portal), Some(service)) = (traffic.portal(), traffic.service) {
            let refusal = Refusal {
                service,
                chains: traffic.chains,
                answer,
                reason: reason(traffic.remark),
            };
            self.rules.refusals.entry(portal).or_insert(refusal);
        }
    }
}

/// A source that is the endpoint's own address means its connections to itself.
fn to_endpoint(source: Source, chosen: IpAddr) -> Source {
    match source {
        Source::Inside(network) if network.host() == Some(chosen) => Source::Endpoint,
        source => source,
    }
}
