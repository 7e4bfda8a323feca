//! The time on the wire. In: the halves of a path on one clock. Out: its `wire` hops. They have ids
//! that the halves leave free when they are joined.

use std::sync::Arc;

use tracer_semconv::{HopName, Role};

use super::index::Index;
use crate::id::SpanId;
use crate::span::{DataPlane, Kind, Layer, Span};
use crate::text::Text;

/// The wires of a path whose halves are there.
#[derive(Default)]
pub(super) struct Wires {
    /// A hop, and the position of the half whose packet it is.
    pub(super) new: Option<(Span, usize)>,
    /// The client's wire of a connect, which from now on ends with the arrival of the SYN.
    pub(super) syn: Option<(Span, usize)>,
}

impl Wires {
    /// Between the halves of a request or response there is one wire. In the client's half of a
    /// connect one wire stands for both packets and everything between them.
    pub(super) fn of(role: Role, [client, server]: [usize; 2], index: &Index<'_>) -> Self {
        let span = |at: usize| &index.spans[at];
        let wire = |from: usize, to: usize, left_ns: u64, arrived_ns: u64| {
            let ids = (span(server).id, span(client).id);
            let times = between(left_ns, arrived_ns);
            (new(ids, [span(from), span(to)], times), from)
        };
        match role {
            Role::Request => Self {
                new: Some(wire(
                    client,
                    server,
                    span(client).end_ns,
                    span(server).start_ns,
                )),
                ..Self::default()
            },
            Role::Response => Self {
                new: Some(wire(
                    server,
                    client,
                    span(server).end_ns,
                    span(client).start_ns,
                )),
                ..Self::default()
            },
            Role::Connect => index.wire(client).map_or_else(Self::default, |at| {
                let both = span(at);
                let (start_ns, end_ns) = between(both.start_ns, span(server).start_ns);
                let mut syn = Span {
                    start_ns,
                    end_ns,
                    ..both.clone()
                };
                if let Layer::DataPlane(data_plane) = &mut syn.layer {
                    data_plane.peer = Some(Arc::clone(&span(server).resource));
                }
                Self {
                    new: Some(wire(server, client, span(server).end_ns, both.end_ns)),
                    syn: Some((syn, at)),
                }
            }),
            Role::Exchange | Role::Hop => Self::default(),
        }
    }
}

/// Clocks that no offset explains leave a packet that arrives before it has left.
fn between(left_ns: u64, arrived_ns: u64) -> (u64, u64) {
    (left_ns.min(arrived_ns), left_ns.max(arrived_ns))
}

fn new(
    (id, path): (SpanId, SpanId),
    [from, to]: [&Span; 2],
    (start_ns, end_ns): (u64, u64),
) -> Span {
    let name = Text::clean(HopName::Wire.as_str());
    Span {
        id,
        parent: Some(path),
        start_ns,
        end_ns,
        name: name.clone(),
        kind: Kind::Other,
        resource: Arc::clone(&from.resource),
        failure: None,
        layer: Layer::DataPlane(DataPlane {
            role: Some(Role::Hop),
            hop: Some(name),
            // The device to other nodes.
            interface: from.data_plane().and_then(|half| half.interface.clone()),
            exchange: None,
            half: None,
            peer: Some(Arc::clone(&to.resource)),
            facts: None,
        }),
    }
}
