//! Matches and targets of xtables, which both back ends of iptables pass to the kernel as binary
//! structures. In: name, revision and bytes. Out: conditions and targets of a [`Rule`]. Matches
//! that kube-proxy's rules do not depend on are ignored.
//!
//! Source: include/uapi/linux/netfilter/xt_*.h and nf_nat.h, the same since Linux 4.14. All of
//! these structures have the same layout on 32 and 64 bits.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::decision::Answer;
use super::finding::Problem;
use super::kernel_struct::{Family, array, byte, text, u16_be, u16_ne, u32_ne};
use super::rule::{Rule, Target};
use super::source::Source;

/// A match or target as the kernel has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'b> {
    pub(super) name: &'b str,
    pub(super) revision: u32,
    pub(super) info: &'b [u8],
}

/// Whether kube-proxy can have written a condition. A rule with a foreign condition is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognition {
    Known,
    Foreign,
}

/// xt_addrtype.h: XT_ADDRTYPE_LOCAL.
const ADDRTYPE_LOCAL: u16 = 1 << 2;
/// xt_addrtype.h: XT_ADDRTYPE_INVERT_SOURCE, XT_ADDRTYPE_INVERT_DEST.
const ADDRTYPE_INVERT_SOURCE: u32 = 1;
const ADDRTYPE_INVERT_DESTINATION: u32 = 2;
/// xt_tcpudp.h: XT_TCP_INV_DSTPT, XT_UDP_INV_DSTPT.
const INVERT_DESTINATION_PORTS: u8 = 2;
/// xt_recent.h: XT_RECENT_CHECK, XT_RECENT_UPDATE.
const RECENT_CHECK_OR_UPDATE: u8 = 1 | 4;
/// xt_physdev.h: XT_PHYSDEV_OP_IN.
const PHYSDEV_IN: u8 = 1;
/// xt_sctp.h: XT_SCTP_DEST_PORTS.
const SCTP_DESTINATION_PORTS: u32 = 2;

/// Adds a match to a rule.
pub(super) fn apply_match(
    rule: &mut Rule<'_>,
    extension: Extension<'_>,
) -> Result<Recognition, Problem> {
    let info = extension.info;
    let known = match extension.name {
        "comment" => {
            rule.comment(Cow::Owned(text(info)?.to_owned()));
            Some(Recognition::Known)
        }
        "addrtype" => address_type(rule, extension),
        // struct xt_tcp { u16 spts[2], dpts[2]; u8 option, flg_mask, flg_cmp, invflags }
        "tcp" => byte(info, 11).and_then(|inverted| ports(rule, info, 4, inverted)),
        // struct xt_udp { u16 spts[2], dpts[2]; u8 invflags }
        "udp" => byte(info, 8).and_then(|inverted| ports(rule, info, 4, inverted)),
        "sctp" => sctp(rule, info),
        // struct xt_recent_mtinfo {
        //     u32 seconds, hit_count; u8 check_set, invert; char name[200]; u8 side
        // }
        "recent" => byte(info, 8).and_then(|set| {
            let negated = byte(info, 9)? != 0;
            rule.returning_client |= set & RECENT_CHECK_OR_UPDATE != 0 && !negated;
            Some(Recognition::Known)
        }),
        // struct xt_physdev_info {
        //     char physindev[16], in_mask[16], physoutdev[16], out_mask[16]; u8 invert, bitmask
        // }
        "physdev" => byte(info, 65).and_then(|checked| {
            let inverted = byte(info, 64)?;
            if checked & PHYSDEV_IN != 0 {
                rule.source = in_interface(inverted & PHYSDEV_IN != 0);
            }
            Some(Recognition::Known)
        }),
        _ => Some(Recognition::Known),
    };
    known.ok_or(Problem::Malformed)
}

/// `-i`, perhaps negated.
pub(super) fn in_interface(negated: bool) -> Source {
    if negated {
        Source::OtherInterface
    } else {
        Source::Interface
    }
}

/// Reads a target. Targets other than DNAT and REJECT are [`Target::Other`].
pub(super) fn target(extension: Extension<'_>, family: Family) -> Result<Target<'static>, Problem> {
    match extension.name {
        "DNAT" => {
            let endpoint = endpoint(extension, family).ok_or(Problem::Malformed)?;
            Ok(Target::Dnat(endpoint))
        }
        "REJECT" => Ok(Target::Refuse(Answer::Reject)),
        _ => Ok(Target::Other),
    }
}

/// struct xt_addrtype_info { u16 source, dest; u32 invert_source, invert_dest }, from revision 1
/// { u16 source, dest; u32 flags }
fn address_type(rule: &mut Rule<'_>, extension: Extension<'_>) -> Option<Recognition> {
    let info = extension.info;
    let (source, destination) = (u16_ne(info, 0)?, u16_ne(info, 2)?);
    let flags = u32_ne(info, 4)?;
    let (not_source, not_destination) = if extension.revision == 0 {
        (flags != 0, u32_ne(info, 8)? != 0)
    } else {
        (
            flags & ADDRTYPE_INVERT_SOURCE != 0,
            flags & ADDRTYPE_INVERT_DESTINATION != 0,
        )
    };
    if source == ADDRTYPE_LOCAL && !not_source {
        rule.source = Source::Node;
    }
    rule.to_node |= destination == ADDRTYPE_LOCAL && !not_destination;
    Some(Recognition::Known)
}

/// Reads a range of destination ports at `at`. kube-proxy's rules match all ports or one.
fn ports(rule: &mut Rule<'_>, info: &[u8], at: usize, inverted: u8) -> Option<Recognition> {
    let range = (u16_ne(info, at)?, u16_ne(info, at + 2)?);
    let negated = inverted & INVERT_DESTINATION_PORTS != 0;
    Some(match range {
        (0, u16::MAX) if !negated => Recognition::Known,
        (first, last) if first == last && !negated => {
            rule.destination_port = Some(first);
            Recognition::Known
        }
        _ => Recognition::Foreign,
    })
}

/// struct xt_sctp_info { u16 dpts[2], spts[2]; u32 chunkmap[64], chunk_match_type; flag_info[4];
/// int flag_count; u32 flags, invflags }
fn sctp(rule: &mut Rule<'_>, info: &[u8]) -> Option<Recognition> {
    let (flags, inverted) = (u32_ne(info, 284)?, u32_ne(info, 288)?);
    if flags & SCTP_DESTINATION_PORTS == 0 {
        return Some(Recognition::Known);
    }
    if inverted & SCTP_DESTINATION_PORTS != 0 {
        return Some(Recognition::Foreign);
    }
    ports(rule, info, 0, 0)
}

/// The endpoint of DNAT, in each revision of its structure:
/// 0: struct nf_nat_ipv4_multi_range_compat {
///        u32 rangesize; { u32 flags; be32 min_ip, max_ip; be16 min, max }
///    }
/// 1: struct nf_nat_range { u32 flags; union nf_inet_addr min, max; be16 min, max }
/// 2: struct nf_nat_range2, which begins the same.
fn endpoint(extension: Extension<'_>, family: Family) -> Option<SocketAddr> {
    let info = extension.info;
    if extension.revision == 0 {
        let ip: [u8; 4] = array(info, 8)?;
        return Some(SocketAddr::from((ip, u16_be(info, 16)?)));
    }
    let ip = family.address(info.get(4..20)?)?;
    Some(SocketAddr::from((ip, u16_be(info, 36)?)))
}
