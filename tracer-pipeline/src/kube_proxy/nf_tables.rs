//! Reads nf_tables' rules: kube-proxy's nftables mode, and its iptables mode on iptables-nft. In:
//! the messages of the kernel's dumps (NFT_MSG_NEWRULE, NFT_MSG_NEWSETELEM), in any order. Out: the
//! sets whose elements are needed too, and [`Rules`].
//!
//! Source: include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h; attribute numbers are beside
//! their names.

mod attribute;
mod expand;
mod expression;
mod lowering;
mod register;
mod set;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::Rules;
use super::finding::{Findings, Position, Problem};
use super::kernel_struct::{Family, byte};
use super::rule::{Rule, Target};
use super::table::{MAX_RULES, Table, TableKind};
use super::xtables::Recognition;
use attribute::{attributes, find};
use expression::Expression;
use lowering::{Draft, ElementRole, Lowering};
use set::{Element, elements, user_comment};

/// The table of kube-proxy's nftables mode.
pub const KUBE_PROXY_TABLE: &str = "kube-proxy";

/// NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NFT_MSG_NEWSETELEM.
const NEW_RULE: u16 = 10 << 8 | 6;
const NEW_ELEMENTS: u16 = 10 << 8 | 12;
/// struct nfgenmsg: family, version, resource id.
const HEADER_BYTES: usize = 4;
/// NFPROTO_IPV4, NFPROTO_IPV6.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// Bound on elements of all sets of one dump. kube-proxy has one per endpoint of each service, one
/// per portal, and one per address.
const MAX_ELEMENTS: usize = 1_000_000;

/// Identifies a set that rules refer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName {
    /// Whether its table is the IPv6 one.
    pub is_ipv6: bool,
    /// Name of its table.
    pub table: &'static str,
    /// Name of the set.
    pub set: String,
}

/// Rules and set elements from the messages so far.
#[derive(Debug, Default)]
pub struct NfTables {
    drafts: HashMap<TableId, Vec<(String, Draft)>>,
    elements: HashMap<SetName, Vec<Element>>,
    element_count: usize,
    findings: Findings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TableId {
    kind: TableKind,
    family: Family,
}

impl NfTables {
    /// Takes one message. Messages of other kinds, families and tables are ignored. `payload`
    /// begins after the netlink header.
    pub fn message(&mut self, kind: u16, payload: &[u8]) {
        let family = match byte(payload, 0) {
            Some(IPV4) => Family::V4,
            Some(IPV6) => Family::V6,
            _ => return,
        };
        let body = payload.get(HEADER_BYTES..).unwrap_or_default();
        let taken = match kind {
            NEW_RULE => self.rule(family, body),
            NEW_ELEMENTS => self.set_elements(family, body),
            _ => Ok(()),
        };
        if let Err(problem) = taken {
            let number = self.drafts.values().map(Vec::len).sum::<usize>() + 1;
            self.findings.add(Position::Rule(number), problem);
        }
    }

    /// The sets whose elements are needed to expand the rules so far.
    #[must_use]
    pub fn required_sets(&self) -> Vec<SetName> {
        let sets: BTreeSet<SetName> = self
            .drafts
            .iter()
            .filter(|(table, _)| table.kind == TableKind::KubeProxy)
            .flat_map(|(table, drafts)| {
                let expansions = drafts
                    .iter()
                    .filter_map(|(_, draft)| draft.expansion.as_ref());
                expansions.map(|expansion| table.set_name(&expansion.set))
            })
            .collect();
        sets.into_iter().collect()
    }

    /// Expands the rules by the elements of their sets.
    #[must_use]
    pub fn into_rules(mut self) -> (Rules, Findings) {
        let mut findings = std::mem::take(&mut self.findings);
        let mut drafts: Vec<_> = std::mem::take(&mut self.drafts).into_iter().collect();
        // The nftables mode first: where both are present, the iptables rules are left over.
        drafts.sort_by_key(|(table, _)| (table.kind != TableKind::KubeProxy, table.kind as u8));
        let mut rules = Rules::default();
        for (id, drafts) in drafts {
            let table = self.table(id, drafts, &mut findings);
            rules.extend(Rules::of_tables(&[table], &mut findings));
        }
        (rules, findings)
    }

    fn rule(&mut self, family: Family, body: &[u8]) -> Result<(), Problem> {
        let (mut table, mut chain, mut expressions, mut comment) = ("", "", None, None);
        for attribute in attributes(body) {
            let attribute = attribute?;
            match attribute.kind {
                1 => table = attribute.text()?,               // NFTA_RULE_TABLE
                2 => chain = attribute.text()?,               // NFTA_RULE_CHAIN
                4 => expressions = Some(attribute),           // NFTA_RULE_EXPRESSIONS
                7 => comment = user_comment(attribute.value), // NFTA_RULE_USERDATA
                _ => {}
            }
        }
        let Some(kind) = kind(table) else {
            return Ok(());
        };
        if kind != TableKind::KubeProxy && !chain.starts_with("KUBE-") {
            return Ok(());
        }
        let drafts = self.drafts.entry(TableId { kind, family }).or_default();
        if drafts.len() == MAX_RULES {
            return Err(Problem::TooLarge);
        }
        let mut rule = Rule {
            position: Position::Rule(drafts.len() + 1),
            ..Rule::default()
        };
        if let (Some(comment), true) = (comment, kind != TableKind::KubeProxy) {
            rule.comment(Cow::Owned(comment));
        }
        let mut lowering = Lowering::new(family, rule);
        for element in expressions
            .into_iter()
            .flat_map(attribute::Attribute::nested)
        {
            if lowering.take(Expression::read(element?)?)? == Recognition::Foreign {
                return Ok(());
            }
        }
        drafts.push((chain.to_owned(), lowering.finish()));
        Ok(())
    }

    fn set_elements(&mut self, family: Family, body: &[u8]) -> Result<(), Problem> {
        let text = |kind| {
            Ok(find(body, kind)?
                .map(attribute::Attribute::text)
                .transpose()?
                .unwrap_or(""))
        };
        // NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS
        let (table, set, list) = (text(1)?, text(2)?, find(body, 3)?);
        let Some(kind) = kind(table) else {
            return Ok(());
        };
        let name = TableId { kind, family }.set_name(set);
        let known = self.elements.entry(name).or_default();
        for element in list.into_iter().flat_map(|list| elements(list.value)) {
            if self.element_count == MAX_ELEMENTS {
                return Err(Problem::TooLarge);
            }
            known.push(element?);
            self.element_count += 1;
        }
        Ok(())
    }

    /// Expands drafts by the elements of their sets. Every target of a jump is declared, because
    /// the kernel has no jump to a missing chain.
    fn table(
        &self,
        id: TableId,
        drafts: Vec<(String, Draft)>,
        findings: &mut Findings,
    ) -> Table<'static> {
        let mut table = Table::new(id.kind);
        for (chain, draft) in drafts {
            let position = draft.rule.position;
            if let Err(problem) = self.add(&mut table, id, chain, draft) {
                findings.add(position, problem);
                if problem == Problem::TooLarge {
                    break;
                }
            }
        }
        let targets = table
            .chains
            .values()
            .flatten()
            .filter_map(|rule| match &rule.target {
                Target::Chain(chain) => Some(chain.clone()),
                _ => None,
            });
        for chain in targets.collect::<BTreeSet<_>>() {
            table.declare(chain);
        }
        table
    }

    fn add(
        &self,
        table: &mut Table<'static>,
        id: TableId,
        chain: String,
        draft: Draft,
    ) -> Result<(), Problem> {
        let chain: Cow<'static, str> = Cow::Owned(chain);
        let Draft {
            mut rule,
            expansion,
            masquerades,
        } = draft;
        let Some(expansion) = expansion else {
            if id.kind == TableKind::KubeProxy {
                expand::name_service(&mut rule);
            }
            return table.push(chain, rule);
        };
        let elements = self.elements.get(&id.set_name(&expansion.set));
        for element in elements.into_iter().flatten() {
            match &expansion.role {
                ElementRole::Key(key) if masquerades => {
                    table
                        .hairpins
                        .extend(expand::hairpin(key, element, id.family));
                }
                role => {
                    let rule = expand::rule(&rule, &expansion.set, role, element, id.family)?;
                    table.push(chain.clone(), rule)?;
                }
            }
        }
        Ok(())
    }
}

impl TableId {
    fn set_name(self, set: &str) -> SetName {
        SetName {
            is_ipv6: self.family == Family::V6,
            table: match self.kind {
                TableKind::Nat => "nat",
                TableKind::Filter => "filter",
                TableKind::KubeProxy => KUBE_PROXY_TABLE,
            },
            set: set.to_owned(),
        }
    }
}

fn kind(table: &str) -> Option<TableKind> {
    if table == KUBE_PROXY_TABLE {
        return Some(TableKind::KubeProxy);
    }
    TableKind::of_iptables(table)
}

#[cfg(test)]
mod tests;
