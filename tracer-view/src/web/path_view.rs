//! One message's way as JSON. In: a path of a merged tree. Out: its ends, its hops, how its addresses
//! changed and what dropped it. Pure.

use tracer_semconv::kube_proxy::RULE_SEPARATOR;
use tracer_semconv::{HopName, Role};

use super::model::{Dnat, Drop, HopView, PathView};
use crate::call::Call;
use crate::exchange::Exchange;
use crate::span::Facts;
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// `None` for a node that is no path.
pub(super) fn path(
    tree: &Tree<'_>,
    node: NodeId,
    exchange: &Exchange,
    call: Option<&Call>,
    indexes: &[usize],
) -> Option<PathView> {
    let span = tree.nodes[node].span;
    let role = span.role().filter(|role| role.is_path())?;
    let mut ends = [client(tree, exchange, call), server(tree, exchange, call)];
    if role == Role::Response {
        ends.reverse();
    }
    let [from, to] = ends;
    let none = Facts::default();
    let facts = span.facts().unwrap_or(&none);
    let text = |text: &Option<Text>| text.as_ref().map(Text::to_string);
    let mut hops = hops(tree, node, indexes);
    if role != Role::Response {
        mark_translations(&mut hops, facts);
    }
    mark_drop(&mut hops, facts);
    Some(PathView {
        role: role.as_str(),
        span: indexes[node],
        from,
        to,
        hops,
        dnat: facts
            .nat_original
            .as_ref()
            .zip(facts.nat_translated.as_ref())
            .map(|(original, translated)| Dnat {
                original: original.to_string(),
                translated: translated.to_string(),
            }),
        snat: text(&facts.nat_masquerade),
        rule: facts.rule.as_ref().map_or_else(Vec::new, chains),
        refusal: text(&facts.refusal),
        drop: drop(facts),
        retransmits: facts.retransmits,
        incomplete: text(&facts.incomplete),
    })
}

fn chains(rule: &Text) -> Vec<String> {
    let chains = rule.as_str().split(RULE_SEPARATOR);
    chains.map(str::to_owned).collect()
}

fn drop(facts: &Facts) -> Option<Drop> {
    let reason = match (&facts.drop_reason, &facts.drop_hop) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(_)) => "no reason known".to_owned(),
        (None, None) => return None,
    };
    let text = |text: &Option<Text>| text.as_ref().map(Text::to_string);
    Some(Drop {
        hop: text(&facts.drop_hop),
        reason,
        by: text(&facts.drop_by),
    })
}

fn hops(tree: &Tree<'_>, path: NodeId, indexes: &[usize]) -> Vec<HopView> {
    let hops = tree.children_with(path, Role::Hop).map(|hop| {
        let span = tree.nodes[hop].span;
        HopView {
            span: indexes[hop],
            name: span.hop_name().to_string(),
            interface: span.interface().map(Text::to_string),
            start_ns: span.start_ns.saturating_sub(tree.start_ns),
            duration_ns: span.duration_ns(),
            dnat: false,
            snat: false,
            dropped: false,
        }
    });
    hops.collect()
}

/// Marks where the addresses change on the way to the server, as the agent does: DNAT in the first
/// OUTPUT or else PREROUTING, SNAT in the first POSTROUTING. In which hop conntrack translates a
/// response back is not known.
fn mark_translations(hops: &mut [HopView], facts: &Facts) {
    let first =
        |hops: &[HopView], name: HopName| hops.iter().position(|hop| hop.name == name.as_str());
    if facts.nat_translated.is_some() {
        let at = first(hops, HopName::Output).or_else(|| first(hops, HopName::Prerouting));
        at.into_iter().for_each(|at| hops[at].dnat = true);
    }
    if facts.nat_masquerade.is_some() {
        let at = first(hops, HopName::Postrouting);
        at.into_iter().for_each(|at| hops[at].snat = true);
    }
}

/// Marks a drop in the last hop of its name.
fn mark_drop(hops: &mut [HopView], facts: &Facts) {
    if let Some(dropped_in) = &facts.drop_hop {
        let mut hops = hops.iter_mut().rev();
        let hop = hops.find(|hop| hop.name == dropped_in.as_str());
        hop.into_iter().for_each(|hop| hop.dropped = true);
    }
}

fn client(tree: &Tree<'_>, exchange: &Exchange, call: Option<&Call>) -> String {
    let span = call.map(|call| tree.nodes[call.client].span);
    let pod = span.and_then(|span| span.resource.pod.clone());
    let mut facts = exchange.facts(tree);
    let name = pod
        .or_else(|| facts.find_map(|facts| facts.source.clone()))
        .or_else(|| call.map(|call| call.edge.client.clone()));
    name.map_or_else(|| "client".to_owned(), |name| name.to_string())
}

fn server(tree: &Tree<'_>, exchange: &Exchange, call: Option<&Call>) -> String {
    let servers = call.into_iter().flat_map(|call| &call.servers);
    let mut pods = servers.filter_map(|&server| tree.nodes[server].span.resource.pod.clone());
    let facts = || exchange.facts(tree);
    let name = facts()
        .find_map(|facts| facts.pod.clone())
        .or_else(|| pods.next())
        .or_else(|| facts().find_map(|facts| facts.nat_translated.clone()))
        .or_else(|| facts().find_map(|facts| facts.destination.clone()));
    name.map_or_else(|| "server".to_owned(), |name| name.to_string())
}
