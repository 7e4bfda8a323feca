//! The two conntrack tuples of a connection: client, service address and chosen pod.

use tracer_common::{
    conntrack::{self as raw, AF_INET},
    tuple::mapped,
};

use super::tuple::{Tuple, address};

/// The conntrack entry of a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// Client to service, before translation.
    pub original: Tuple,
    /// Chosen pod to client, as on the pod's packets: an address differs from `original.reversed()`
    /// where NAT changed it.
    pub reply: Tuple,
}

impl From<raw::ConntrackTuples> for Conntrack {
    fn from(raw: raw::ConntrackTuples) -> Self {
        Self {
            original: tuple(&raw.original),
            reply: tuple(&raw.reply),
        }
    }
}

fn tuple(raw: &raw::ConntrackTuple) -> Tuple {
    let ip = |words_be: [u32; 4]| match raw.family {
        AF_INET => mapped(words_be[0]),
        _ => words_be,
    };
    Tuple {
        source: address(ip(raw.source_be), raw.source_port_be),
        destination: address(ip(raw.destination_be), raw.destination_port_be),
    }
}
