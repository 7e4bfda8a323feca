//! Reads a table of the legacy back end of iptables. In: the entries that IPT_SO_GET_ENTRIES or
//! IP6T_SO_GET_ENTRIES returns. Out: kube-proxy's chains of rules.
//!
//! An entry consists of a header, its matches and its target. A user-defined chain begins with an
//! entry whose target is ERROR and has the chain's name; a jump holds the offset of the entry after
//! that one. Source: include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h and
//! netfilter/x_tables.h, 64 bits.

use std::borrow::Cow;
use std::collections::HashMap;

use super::decision::Answer;
use super::finding::{Findings, Position, Problem};
use super::kernel_struct::{Family, array, byte, prefix_bits, text, u16_ne};
use super::network::Network;
use super::rule::{Destination, Rule, Target};
use super::source::Source;
use super::table::{Table, TableKind};
use super::xtables::{Extension, Recognition, apply_match, in_interface, target};
use super::{Protocol, Rules};

/// Offsets of the fields of an entry: struct ipt_entry, struct ip6t_entry.
struct Layout {
    family: Family,
    source: usize,
    destination: usize,
    source_mask: usize,
    destination_mask: usize,
    in_interface: usize,
    protocol: usize,
    flags: usize,
    inverted: usize,
    target_offset: usize,
    next_offset: usize,
    matches: usize,
}

const V4: Layout = Layout {
    family: Family::V4,
    source: 0,
    destination: 4,
    source_mask: 8,
    destination_mask: 12,
    in_interface: 16,
    protocol: 80,
    flags: 82,
    inverted: 83,
    target_offset: 88,
    next_offset: 90,
    matches: 112,
};

const V6: Layout = Layout {
    family: Family::V6,
    source: 0,
    destination: 16,
    source_mask: 32,
    destination_mask: 48,
    in_interface: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    target_offset: 140,
    next_offset: 142,
    matches: 168,
};

/// IPT_INV_VIA_IN, _SRCIP, _DSTIP and XT_INV_PROTO, the same for IPv6.
const NOT_IN_INTERFACE: u8 = 0x01;
const NOT_SOURCE: u8 = 0x08;
const NOT_DESTINATION: u8 = 0x10;
const NOT_PROTOCOL: u8 = 0x40;
/// IP6T_F_PROTO: the entry matches on the protocol. An IPv4 entry does where its protocol is not 0.
const PROTOCOL_COUNTS: u8 = 0x01;
/// struct xt_entry_match, xt_entry_target: u16 size, char name[29], u8 revision, then the data.
const EXTENSION_BYTES: usize = 32;
/// -NF_DROP - 1, as a standard target holds it.
const VERDICT_DROP: i32 = -1;

impl Rules {
    /// Reads the entries of one legacy table. `name` is `nat` or `filter`; other tables give no
    /// rules.
    #[must_use]
    pub fn from_ip_tables(name: &str, family: Family, entries: &[u8]) -> (Self, Findings) {
        let mut findings = Findings::default();
        let table = TableKind::of_iptables(name).map(|kind| {
            let layout = match family {
                Family::V4 => &V4,
                Family::V6 => &V6,
            };
            read(kind, layout, entries, &mut findings)
        });
        let tables: Vec<_> = table.into_iter().collect();
        (Self::of_tables(&tables, &mut findings), findings)
    }
}

/// One entry, its offset and its number from 1.
#[derive(Clone, Copy)]
struct Entry<'b> {
    offset: usize,
    number: usize,
    bytes: &'b [u8],
}

fn read(kind: TableKind, layout: &Layout, blob: &[u8], findings: &mut Findings) -> Table<'static> {
    let mut table = Table::new(kind);
    let (entries, broken) = entries(layout, blob);
    if let Some(number) = broken {
        findings.add(Position::Rule(number), Problem::Malformed);
    }
    let chains = chains(layout, &entries);
    let mut chain = None;
    for entry in entries {
        match layout.chain_name(entry) {
            Ok(Some(name)) => {
                chain = name.starts_with("KUBE-").then_some(name);
                if let Some(chain) = chain {
                    table.declare(Cow::Owned(chain.to_owned()));
                }
            }
            Ok(None) => {
                let Some(chain) = chain else { continue };
                let rule = layout.rule(entry, &chains);
                let added = rule.and_then(|rule| match rule {
                    Some(rule) => table.push(Cow::Owned(chain.to_owned()), rule),
                    None => Ok(()),
                });
                if let Err(problem) = added {
                    findings.add(Position::Rule(entry.number), problem);
                    if problem == Problem::TooLarge {
                        break;
                    }
                }
            }
            Err(problem) => findings.add(Position::Rule(entry.number), problem),
        }
    }
    table
}

/// All entries, and the number of the first malformed one, after which nothing can be read.
fn entries<'b>(layout: &Layout, blob: &'b [u8]) -> (Vec<Entry<'b>>, Option<usize>) {
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < blob.len() {
        let number = entries.len() + 1;
        let rest = blob.get(offset..).unwrap_or_default();
        let bytes = u16_ne(rest, layout.next_offset).map(usize::from);
        let bytes = bytes.filter(|bytes| *bytes >= layout.matches + EXTENSION_BYTES);
        let Some(entry) = bytes.and_then(|bytes| rest.get(..bytes)) else {
            return (entries, Some(number));
        };
        entries.push(Entry {
            offset,
            number,
            bytes: entry,
        });
        offset += entry.len();
    }
    (entries, None)
}

/// Names of chains by the offset that a jump to them holds.
fn chains<'b>(layout: &Layout, entries: &[Entry<'b>]) -> HashMap<usize, &'b str> {
    let named = entries.iter().filter_map(|entry| {
        let name = layout.chain_name(*entry).ok()??;
        Some((entry.offset + entry.bytes.len(), name))
    });
    named.collect()
}

impl Layout {
    fn target<'b>(&self, entry: Entry<'b>) -> Result<Extension<'b>, Problem> {
        let at = u16_ne(entry.bytes, self.target_offset).map(usize::from);
        let bytes = at.and_then(|at| entry.bytes.get(at..));
        extension(bytes.ok_or(Problem::Malformed)?)
    }

    /// The name of the chain that the entry begins. The last entry of a table has the name ERROR,
    /// which is no chain.
    fn chain_name<'b>(&self, entry: Entry<'b>) -> Result<Option<&'b str>, Problem> {
        let target = self.target(entry)?;
        let name = (target.name == "ERROR").then(|| text(target.info));
        name.transpose()
    }

    /// The rule; `None` where it has a condition that kube-proxy never writes.
    fn rule(
        &self,
        entry: Entry<'_>,
        chains: &HashMap<usize, &str>,
    ) -> Result<Option<Rule<'static>>, Problem> {
        let mut rule = Rule {
            position: Position::Rule(entry.number),
            ..Rule::default()
        };
        let known = self
            .header(&mut rule, entry.bytes)
            .ok_or(Problem::Malformed)?;
        if known == Recognition::Foreign {
            return Ok(None);
        }
        let end = u16_ne(entry.bytes, self.target_offset).map(usize::from);
        let mut matches = end
            .and_then(|end| entry.bytes.get(self.matches..end))
            .ok_or(Problem::Malformed)?;
        while !matches.is_empty() {
            let extension = extension(matches)?;
            if apply_match(&mut rule, extension)? == Recognition::Foreign {
                return Ok(None);
            }
            matches = matches
                .get(EXTENSION_BYTES + extension.info.len()..)
                .ok_or(Problem::Malformed)?;
        }
        let extension = self.target(entry)?;
        rule.target = match extension.name {
            "" => jump(extension.info, chains).ok_or(Problem::Malformed)?,
            _ => target(extension, self.family)?,
        };
        Ok(Some(rule))
    }

    /// The conditions that every entry has: struct ipt_ip, struct ip6t_ip6.
    fn header(&self, rule: &mut Rule<'_>, entry: &[u8]) -> Option<Recognition> {
        let inverted = byte(entry, self.inverted)?;
        let is_not = |flag| inverted & flag != 0;
        if let Some(network) = self.network(entry, self.source, self.source_mask)? {
            rule.source = if is_not(NOT_SOURCE) {
                Source::Outside(network)
            } else {
                Source::Inside(network)
            };
        }
        if let Some(network) = self.network(entry, self.destination, self.destination_mask)? {
            rule.destination = Some(Destination {
                network,
                negated: is_not(NOT_DESTINATION),
            });
        }
        if byte(entry, self.in_interface)? != 0 {
            rule.source = in_interface(is_not(NOT_IN_INTERFACE));
        }
        let counts = self.family == Family::V4 || byte(entry, self.flags)? & PROTOCOL_COUNTS != 0;
        let number = u16_ne(entry, self.protocol)?;
        if counts && number != 0 {
            rule.protocol = Protocol::from_number(number);
            if rule.protocol.is_none() || is_not(NOT_PROTOCOL) {
                return Some(Recognition::Foreign);
            }
        }
        Some(Recognition::Known)
    }

    /// `Some(None)` where the mask is zero: any address.
    fn network(&self, entry: &[u8], at: usize, mask: usize) -> Option<Option<Network>> {
        let address = self.family.address(entry.get(at..)?)?;
        let mask = entry.get(mask..)?.get(..self.family.address_bytes())?;
        // kube-proxy never uses a mask that is no prefix.
        let bits = prefix_bits(mask)?;
        let network = (bits > 0).then(|| Network::new(address, bits));
        network.transpose().ok()
    }
}

/// The match or target at the start of `bytes`.
fn extension(bytes: &[u8]) -> Result<Extension<'_>, Problem> {
    let malformed = Problem::Malformed;
    let size = u16_ne(bytes, 0).map(usize::from).ok_or(malformed)?;
    let whole = bytes.get(..size).ok_or(malformed)?;
    Ok(Extension {
        name: text(whole.get(2..31).ok_or(malformed)?)?,
        revision: byte(whole, 31).ok_or(malformed)?.into(),
        info: whole.get(EXTENSION_BYTES..).ok_or(malformed)?,
    })
}

/// struct xt_standard_target { ...; int verdict }: the offset of a chain, or a negative verdict.
fn jump(info: &[u8], chains: &HashMap<usize, &str>) -> Option<Target<'static>> {
    let verdict = i32::from_ne_bytes(array(info, 0)?);
    let offset = usize::try_from(verdict).ok();
    let chain = offset.and_then(|offset| chains.get(&offset));
    Some(match chain {
        Some(chain) if chain.starts_with("KUBE-") => Target::jump(Cow::Owned((*chain).to_owned())),
        None if verdict == VERDICT_DROP => Target::Refuse(Answer::Drop),
        _ => Target::Other,
    })
}

#[cfg(test)]
mod tests;
