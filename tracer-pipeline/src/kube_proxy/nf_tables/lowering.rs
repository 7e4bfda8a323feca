//! Converts the expressions of one nf_tables rule to a [`Draft`]: conditions, target, and the set
//! whose elements make several rules of it. Follows the registers from load to compare, without a
//! packet.

use std::borrow::Cow;

use super::super::Protocol;
use super::super::decision::Answer;
use super::super::finding::Problem;
use super::super::kernel_struct::{Family, prefix_bits, u16_be, u32_ne};
use super::super::network::Network;
use super::super::rule::{Destination, Rule, Target};
use super::super::source::Source;
use super::super::xtables::{self, Recognition};
use super::expression::{Expression, Verdict};
use super::register::{Field, KeyPart, Registers, Value};

/// A rule before its expansion by a set's elements.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) rule: Rule<'static>,
    pub(super) expansion: Option<Expansion>,
    /// The rule replaces the source, so its set holds the connections that are masqueraded.
    pub(super) masquerades: bool,
}

/// A set whose elements become a rule each.
#[derive(Debug)]
pub(super) struct Expansion {
    pub(super) set: String,
    pub(super) role: ElementRole,
}

/// The meaning of a set's elements for the rule.
#[derive(Debug)]
pub(super) enum ElementRole {
    /// The rule applies to packets with the element's key.
    Key(Vec<KeyPart>),
    /// The rule has the element's verdict as its target, for packets with the element's key.
    Verdict(Vec<KeyPart>),
    /// The rule translates to the address and port at these offsets of the element's value.
    Endpoint { address_at: usize, port_at: usize },
}

/// enum nft_meta_keys: MARK 3, IIFNAME 6, L4PROTO 16.
const META_MARK: u32 = 3;
const META_IN_INTERFACE: u32 = 6;
const META_PROTOCOL: u32 = 16;
/// enum nft_payload_bases.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// NFT_FIB_RESULT_ADDRTYPE; NFTA_FIB_F_SADDR, NFTA_FIB_F_DADDR; RTN_LOCAL.
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_SOURCE: u32 = 1;
const FIB_DESTINATION: u32 = 2;
const LOCAL: u32 = 2;
/// NFT_CMP_EQ, NFT_CMP_NEQ.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
/// Prefix of kube-proxy's sets of returning clients, one set per endpoint.
const AFFINITY: &str = "affinity-";
/// kube-proxy's set of the node's addresses for node ports, with `--nodeport-addresses`.
const NODE_ADDRESSES: &str = "nodeport-ips";

/// The state while the expressions of a rule are read.
pub(super) struct Lowering {
    family: Family,
    registers: Registers,
    draft: Draft,
}

impl Lowering {
    pub(super) fn new(family: Family, rule: Rule<'static>) -> Self {
        Self {
            family,
            registers: Registers::default(),
            draft: Draft {
                rule,
                expansion: None,
                masquerades: false,
            },
        }
    }

    /// The draft after all expressions.
    pub(super) fn finish(self) -> Draft {
        self.draft
    }

    /// Takes the next expression. `Foreign`: the rule has a condition that kube-proxy never writes,
    /// and is to be skipped.
    pub(super) fn take(&mut self, expression: Expression<'_>) -> Result<Recognition, Problem> {
        let rule = &mut self.draft.rule;
        match expression {
            Expression::Compare { from, op, with } => return self.compare(from, op, with),
            Expression::Lookup {
                set,
                from,
                to,
                inverted,
            } => return Ok(self.lookup(set, from, to, inverted)),
            Expression::Match(extension) => return xtables::apply_match(rule, extension),
            Expression::Target(extension) => {
                rule.target = xtables::target(extension, self.family)?;
            }
            Expression::Verdict(Verdict::Chain(chain)) => {
                rule.target = Target::jump(Cow::Owned(chain.to_owned()));
            }
            Expression::Verdict(Verdict::Drop) => rule.target = Target::Refuse(Answer::Drop),
            Expression::Reject => rule.target = Target::Refuse(Answer::Reject),
            Expression::MetaSet { key, from } => self.set_mark(key, from),
            Expression::Dnat { address, port } => return self.dnat(address, port),
            Expression::Masquerade => self.draft.masquerades = true,
            Expression::Verdict(Verdict::Other) | Expression::Other => {}
            load => self.load(load),
        }
        Ok(Recognition::Known)
    }

    fn load(&mut self, load: Expression<'_>) {
        let registers = &mut self.registers;
        match load {
            Expression::MetaLoad { key, to } => {
                let (field, bytes) = match key {
                    META_MARK => (Field::Mark, 4),
                    META_IN_INTERFACE => (Field::InInterface, 16),
                    META_PROTOCOL => (Field::Protocol, 1),
                    _ => (Field::Other, 4),
                };
                registers.load_field(to, field, bytes);
            }
            Expression::Payload {
                base,
                offset,
                bytes,
                to,
            } => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(64);
                registers.load_field(to, header_field(self.family, base, offset), bytes);
            }
            Expression::Fib { result, flags, to } => {
                let field = match (result, flags & (FIB_SOURCE | FIB_DESTINATION)) {
                    (FIB_ADDRESS_TYPE, FIB_SOURCE) => Field::SourceType,
                    (FIB_ADDRESS_TYPE, FIB_DESTINATION) => Field::DestinationType,
                    _ => Field::Other,
                };
                registers.load_field(to, field, 4);
            }
            Expression::Bitwise {
                from,
                to,
                mask,
                xor,
            } => {
                let changed = match registers.get(from) {
                    Some(Value::Field { field, bytes, .. }) => Value::Field {
                        field: *field,
                        bytes: *bytes,
                        mask: Some(mask.to_vec()),
                        xor: xor.to_vec(),
                    },
                    _ => return,
                };
                registers.load(to, changed);
            }
            Expression::Immediate { to, value } => registers.load_constant(to, value),
            Expression::Number { to } | Expression::OtherLoad { to } => {
                registers.load_field(to, Field::Other, 4);
            }
            _ => {}
        }
    }

    fn compare(&mut self, from: u32, op: u32, with: &[u8]) -> Result<Recognition, Problem> {
        let Some(Value::Field { field, mask, .. }) = self.registers.get(from) else {
            return Ok(Recognition::Known);
        };
        let negated = match op {
            EQUAL => false,
            NOT_EQUAL => true,
            _ => return Ok(Recognition::Foreign),
        };
        let rule = &mut self.draft.rule;
        match field {
            Field::Source => {
                let network = network(self.family, with, mask.as_deref())?;
                rule.source = if negated {
                    Source::Outside(network)
                } else {
                    Source::Inside(network)
                };
            }
            Field::Destination => {
                let network = network(self.family, with, mask.as_deref())?;
                rule.destination = Some(Destination { network, negated });
            }
            Field::Protocol => {
                let protocol = with
                    .first()
                    .and_then(|n| Protocol::from_number((*n).into()));
                if negated || protocol.is_none() {
                    return Ok(Recognition::Foreign);
                }
                rule.protocol = protocol;
            }
            Field::DestinationPort => {
                if negated {
                    return Ok(Recognition::Foreign);
                }
                rule.destination_port = Some(u16_be(with, 0).ok_or(Problem::Malformed)?);
            }
            Field::InInterface => rule.source = xtables::in_interface(negated),
            Field::DestinationType => rule.to_node |= is_local(with) && !negated,
            Field::SourceType => {
                if is_local(with) && !negated {
                    rule.source = Source::Node;
                }
            }
            Field::Mark | Field::Other => {}
        }
        Ok(Recognition::Known)
    }

    fn lookup(&mut self, set: &str, from: u32, to: Option<u32>, inverted: bool) -> Recognition {
        let key = self.registers.key(from);
        let first = key.first().map(|part| part.field);
        let role = match (to, first) {
            (Some(0), _) => ElementRole::Verdict(key),
            (Some(to), _) => {
                self.registers.load_mapped(to, set);
                return Recognition::Known;
            }
            (None, Some(Field::Source)) if set.starts_with(AFFINITY) => {
                self.draft.rule.returning_client |= !inverted;
                return Recognition::Known;
            }
            (None, Some(Field::Destination)) if set == NODE_ADDRESSES => {
                self.draft.rule.to_node |= !inverted;
                return Recognition::Known;
            }
            // A load balancer's accepted sources: refusals are not recorded by source.
            (None, _) if inverted => return Recognition::Known,
            (None, Some(Field::Source)) if key.len() == 1 => return Recognition::Known,
            (None, _) => ElementRole::Key(key),
        };
        self.expand(set, role)
    }

    /// Sets the rule's expansion. A rule of kube-proxy has at most one.
    fn expand(&mut self, set: &str, role: ElementRole) -> Recognition {
        if self.draft.expansion.is_some() {
            return Recognition::Foreign;
        }
        self.draft.expansion = Some(Expansion {
            set: set.to_owned(),
            role,
        });
        Recognition::Known
    }

    /// `meta mark set meta mark | bit`.
    fn set_mark(&mut self, key: u32, from: u32) {
        if let (META_MARK, Some(Value::Field { field, xor, .. })) = (key, self.registers.get(from))
            && *field == Field::Mark
            && xor.iter().any(|byte| *byte != 0)
        {
            self.draft.rule.target = Target::Mark;
        }
    }

    fn dnat(&mut self, address: u32, port: u32) -> Result<Recognition, Problem> {
        let mapped = match (self.registers.get(address), self.registers.get(port)) {
            (
                Some(Value::Mapped { map, at }),
                Some(Value::Mapped {
                    map: other,
                    at: port_at,
                }),
            ) if map == other => Some((map.to_string(), *at, *port_at)),
            _ => None,
        };
        if let Some((map, address_at, port_at)) = mapped {
            return Ok(self.expand(
                &map,
                ElementRole::Endpoint {
                    address_at,
                    port_at,
                },
            ));
        }
        let address = self
            .registers
            .constant(address, self.family.address_bytes());
        let address = address.and_then(|address| self.family.address(&address));
        let port = self.registers.constant(port, 2);
        let port = port.and_then(|port| u16_be(&port, 0));
        let (Some(ip), Some(port)) = (address, port) else {
            return Err(Problem::Malformed);
        };
        self.draft.rule.target = Target::Dnat((ip, port).into());
        Ok(Recognition::Known)
    }
}

/// The offsets are those of struct iphdr, struct ipv6hdr, and of the ports in TCP, UDP and SCTP.
fn header_field(family: Family, base: u32, offset: u32) -> Field {
    match (family, base, offset) {
        (Family::V4, NETWORK_HEADER, 12) | (Family::V6, NETWORK_HEADER, 8) => Field::Source,
        (Family::V4, NETWORK_HEADER, 16) | (Family::V6, NETWORK_HEADER, 24) => Field::Destination,
        (Family::V4, NETWORK_HEADER, 9) | (Family::V6, NETWORK_HEADER, 6) => Field::Protocol,
        (_, TRANSPORT_HEADER, 2) => Field::DestinationPort,
        _ => Field::Other,
    }
}

/// The network of an address and a mask or, without a mask, of the leading bytes of an address.
fn network(family: Family, bytes: &[u8], mask: Option<&[u8]>) -> Result<Network, Problem> {
    let mut address = bytes.to_vec();
    address.resize(family.address_bytes(), 0);
    let ip = family.address(&address).ok_or(Problem::Malformed)?;
    let bits = match mask {
        Some(mask) => prefix_bits(mask).ok_or(Problem::Address)?,
        None => u32::try_from(bytes.len() * 8).map_err(|_| Problem::Malformed)?,
    };
    Network::new(ip, bits)
}

fn is_local(address_type: &[u8]) -> bool {
    u32_ne(address_type, 0) == Some(LOCAL)
}
