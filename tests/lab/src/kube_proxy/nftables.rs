//! The rules of nftables mode, as text for `nft -f`.
//!
//! The table is that of a real kube-proxy (kubernetes: pkg/proxy/nftables, setupNFTables and
//! syncProxyRules), in the spelling of `nft list ruleset`.

mod base;
mod chain;
pub(super) mod name;
mod resolved;
mod sets;
mod to_endpoints;

use super::endpoints::Endpoints;
use super::family::Family;
use super::network::Networks;
use super::service::Service;
use super::text::push;
use resolved::Resolved;

pub(super) fn payload(services: &[&Service], family: Family, networks: &Networks) -> String {
    let resolved: Vec<Resolved<'_>> = services
        .iter()
        .map(|service| Resolved {
            service,
            endpoints: Endpoints::of(service, networks),
        })
        .collect();
    let table = format!("{} kube-proxy", family.nft());
    let mut text = String::new();
    // All is one transaction. `add` makes sure that there is a table to delete.
    push(&mut text, format_args!("add table {table}"));
    push(&mut text, format_args!("delete table {table}"));
    push(&mut text, format_args!("table {table} {{"));
    push(
        &mut text,
        format_args!("\tcomment \"rules for kube-proxy\""),
    );
    sets::push_all(&mut text, &resolved, family);
    base::push_chains(&mut text, family, networks);
    for resolved in &resolved {
        to_endpoints::push_chains(&mut text, resolved, networks);
    }
    push(&mut text, format_args!("}}"));
    text
}
