//! Reads expressions of nf_tables' rules. In: an expression's attributes. Out: an [`Expression`],
//! for those that kube-proxy uses in its nftables mode and through iptables-nft; others are
//! `Other`.
//!
//! Source: include/uapi/linux/netfilter/nf_tables.h; attribute numbers are beside their names.

use super::super::finding::Problem;
use super::super::xtables::Extension;
use super::attribute::{Attribute, attributes};

/// One step of a rule. Register numbers are the kernel's.
#[derive(Clone, Debug)]
pub(super) enum Expression<'b> {
    /// Loads a property of the packet.
    MetaLoad { key: u32, to: u32 },
    /// Sets a property of the packet.
    MetaSet { key: u32, from: u32 },
    /// Loads bytes of the packet.
    Payload {
        base: u32,
        offset: u32,
        bytes: u32,
        to: u32,
    },
    /// Loads the result of a route lookup for an address.
    Fib { result: u32, flags: u32, to: u32 },
    /// Loads a number from a range.
    Number { to: u32 },
    /// Loads a value that no rule of kube-proxy depends on.
    OtherLoad { to: u32 },
    /// `to = (from & mask) ^ xor`.
    Bitwise {
        from: u32,
        to: u32,
        mask: &'b [u8],
        xor: &'b [u8],
    },
    /// Ends the rule unless the comparison holds.
    Compare { from: u32, op: u32, with: &'b [u8] },
    /// A constant.
    Immediate { to: u32, value: &'b [u8] },
    /// A verdict.
    Verdict(Verdict<'b>),
    /// Looks a key up in a set, or a value in a map.
    Lookup {
        set: &'b str,
        from: u32,
        to: Option<u32>,
        inverted: bool,
    },
    /// Destination NAT.
    Dnat { address: u32, port: u32 },
    /// Masquerade.
    Masquerade,
    /// Reject.
    Reject,
    /// A match of xtables.
    Match(Extension<'b>),
    /// A target of xtables.
    Target(Extension<'b>),
    /// Anything else.
    Other,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'b> {
    /// Jump or goto.
    Chain(&'b str),
    Drop,
    Other,
}

/// NFT_REG_VERDICT.
const VERDICT_REGISTER: u32 = 0;
/// NF_DROP, NFT_JUMP and NFT_GOTO.
const DROP: u32 = 0;
const JUMP: u32 = -3_i32 as u32;
const GOTO: u32 = -4_i32 as u32;
/// NFT_NAT_DNAT.
const DNAT: u32 = 1;
/// NFT_LOOKUP_F_INV.
const LOOKUP_INVERTED: u32 = 1;

impl<'b> Expression<'b> {
    /// Reads one element of NFTA_RULE_EXPRESSIONS.
    pub(super) fn read(element: Attribute<'b>) -> Result<Self, Problem> {
        let (mut name, mut data) = ("", &[][..]);
        for attribute in element.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => name = attribute.text()?, // NFTA_EXPR_NAME
                2 => data = attribute.value,   // NFTA_EXPR_DATA
                _ => {}
            }
        }
        let fields = Fields::of(data)?;
        fields.expression(name)?.map_or(Ok(Self::Other), Ok)
    }
}

/// The attributes of an expression, by number.
struct Fields<'b>([Option<Attribute<'b>>; 9]);

impl<'b> Fields<'b> {
    fn of(data: &'b [u8]) -> Result<Self, Problem> {
        let mut fields = Self([None; 9]);
        for attribute in attributes(data) {
            let attribute = attribute?;
            if let Some(field) = fields.0.get_mut(usize::from(attribute.kind)) {
                *field = Some(attribute);
            }
        }
        Ok(fields)
    }

    fn get(&self, kind: usize) -> Result<Attribute<'b>, Problem> {
        self.0
            .get(kind)
            .copied()
            .flatten()
            .ok_or(Problem::Malformed)
    }

    fn u32(&self, kind: usize) -> Result<u32, Problem> {
        self.get(kind)?.u32()
    }

    fn optional_u32(&self, kind: usize) -> Result<Option<u32>, Problem> {
        self.get(kind).ok().map(Attribute::u32).transpose()
    }

    /// NFTA_DATA_VALUE within the attribute.
    fn value(&self, kind: usize) -> Result<&'b [u8], Problem> {
        match Data::read(self.get(kind)?)? {
            Data::Value(value) => Ok(value),
            Data::Verdict(_) => Err(Problem::Malformed),
        }
    }

    fn extension(&self) -> Result<Extension<'b>, Problem> {
        Ok(Extension {
            name: self.get(1)?.text()?,
            revision: self.optional_u32(2)?.unwrap_or(0),
            info: self.get(3)?.value,
        })
    }

    fn expression(&self, name: &str) -> Result<Option<Expression<'b>>, Problem> {
        Ok(Some(match name {
            // NFTA_META_DREG 1, KEY 2, SREG 3
            "meta" => match (self.optional_u32(1)?, self.optional_u32(3)?) {
                (Some(to), _) => Expression::MetaLoad {
                    key: self.u32(2)?,
                    to,
                },
                (None, Some(from)) => Expression::MetaSet {
                    key: self.u32(2)?,
                    from,
                },
                (None, None) => return Err(Problem::Malformed),
            },
            // NFTA_PAYLOAD_DREG 1, BASE 2, OFFSET 3, LEN 4; without DREG it writes to the packet
            "payload" => match self.optional_u32(1)? {
                Some(to) => Expression::Payload {
                    base: self.u32(2)?,
                    offset: self.u32(3)?,
                    bytes: self.u32(4)?,
                    to,
                },
                None => return Ok(None),
            },
            // NFTA_FIB_DREG 1, RESULT 2, FLAGS 3
            "fib" => Expression::Fib {
                to: self.u32(1)?,
                result: self.u32(2)?,
                flags: self.u32(3)?,
            },
            // NFTA_NG_DREG 1
            "numgen" => Expression::Number { to: self.u32(1)? },
            // NFTA_CT_DREG 1, NFTA_RT_DREG 1
            "ct" | "rt" => match self.optional_u32(1)? {
                Some(to) => Expression::OtherLoad { to },
                None => return Ok(None),
            },
            // NFTA_BITWISE_SREG 1, DREG 2, MASK 4, XOR 5; shifts have neither MASK nor XOR
            "bitwise" => Expression::Bitwise {
                from: self.u32(1)?,
                to: self.u32(2)?,
                mask: self.value(4).unwrap_or_default(),
                xor: self.value(5).unwrap_or_default(),
            },
            // NFTA_CMP_SREG 1, OP 2, DATA 3
            "cmp" => Expression::Compare {
                from: self.u32(1)?,
                op: self.u32(2)?,
                with: self.value(3)?,
            },
            // NFTA_IMMEDIATE_DREG 1, DATA 2
            "immediate" => match (self.u32(1)?, Data::read(self.get(2)?)?) {
                (VERDICT_REGISTER, Data::Verdict(verdict)) => Expression::Verdict(verdict),
                (to, Data::Value(value)) => Expression::Immediate { to, value },
                _ => return Err(Problem::Malformed),
            },
            // NFTA_LOOKUP_SET 1, SREG 2, DREG 3, FLAGS 5
            "lookup" => Expression::Lookup {
                set: self.get(1)?.text()?,
                from: self.u32(2)?,
                to: self.optional_u32(3)?,
                inverted: self.optional_u32(5)?.unwrap_or(0) & LOOKUP_INVERTED != 0,
            },
            // NFTA_NAT_TYPE 1, REG_ADDR_MIN 3, REG_PROTO_MIN 5
            "nat" if self.u32(1)? == DNAT => match (self.optional_u32(3)?, self.optional_u32(5)?) {
                (Some(address), Some(port)) => Expression::Dnat { address, port },
                _ => return Ok(None),
            },
            "masq" => Expression::Masquerade,
            "reject" => Expression::Reject,
            // NFTA_MATCH_NAME 1, REV 2, INFO 3, and the same for targets
            "match" => Expression::Match(self.extension()?),
            "target" => Expression::Target(self.extension()?),
            _ => return Ok(None),
        }))
    }
}

/// A constant or a verdict: NFTA_DATA_VALUE 1, NFTA_DATA_VERDICT 2.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data<'b> {
    Value(&'b [u8]),
    Verdict(Verdict<'b>),
}

impl<'b> Data<'b> {
    pub(super) fn read(data: Attribute<'b>) -> Result<Self, Problem> {
        let inner = data.nested().next().ok_or(Problem::Malformed)??;
        match inner.kind {
            1 => Ok(Self::Value(inner.value)),
            2 => Ok(Self::Verdict(Verdict::read(inner)?)),
            _ => Err(Problem::Malformed),
        }
    }
}

impl<'b> Verdict<'b> {
    /// NFTA_VERDICT_CODE 1, CHAIN 2.
    fn read(verdict: Attribute<'b>) -> Result<Self, Problem> {
        let (mut code, mut chain) = (None, None);
        for attribute in verdict.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => code = Some(attribute.u32()?),
                2 => chain = Some(attribute.text()?),
                _ => {}
            }
        }
        match (code.ok_or(Problem::Malformed)?, chain) {
            (JUMP | GOTO, Some(chain)) => Ok(Self::Chain(chain)),
            (JUMP | GOTO, None) => Err(Problem::Malformed),
            (DROP, _) => Ok(Self::Drop),
            _ => Ok(Self::Other),
        }
    }
}
