//! The name of a row. In: a span. Out: the pieces of its name, each with its ink. A path between
//! nodes has the names of both nodes, and a wire hop the name of the receiving node.

use tracer_semconv::Role;

use super::line::Ink;
use crate::span::Span;
use crate::text::Text;

/// Service and span name of an application's span, `net` and the name of an exchange that is a
/// trace's root, the role of a path, hop and interface of a hop.
pub(super) fn name(span: &Span) -> Vec<(Ink, String)> {
    let Some(data_plane) = span.data_plane() else {
        return vec![
            (Ink::Strong, span.resource.service.to_string()),
            (Ink::Plain, format!(" {}", span.name)),
        ];
    };
    match data_plane.role {
        Some(Role::Exchange) => vec![
            (Ink::Plain, format!("net {}", span.name)),
            (Ink::Faint, between_nodes(span)),
        ],
        Some(Role::Connect | Role::Request | Role::Response) => {
            vec![
                (Ink::Plain, path_name(span).to_owned()),
                (Ink::Faint, between_nodes(span)),
            ]
        }
        Some(Role::Hop) => {
            let interface = data_plane.interface.as_ref();
            let interface = interface.map_or_else(String::new, |name| format!(" {name}"));
            vec![
                (Ink::Plain, span.hop_name().to_string()),
                (Ink::Faint, interface),
                (Ink::Faint, to_node(span)),
            ]
        }
        None => vec![(Ink::Plain, span.name.to_string())],
    }
}

/// `  node-1 → node-2`, from the sender's node to the receiver's.
fn between_nodes(span: &Span) -> String {
    match (span.resource.node(), peer_node(span)) {
        (Some(client), Some(server)) if span.role() == Some(Role::Response) => {
            format!("  {server} → {client}")
        }
        (Some(client), Some(server)) => format!("  {client} → {server}"),
        _ => String::new(),
    }
}

/// ` → node-2`, the receiving node of a wire.
fn to_node(span: &Span) -> String {
    peer_node(span).map_or_else(String::new, |node| format!(" → {node}"))
}

fn peer_node(span: &Span) -> Option<&Text> {
    span.data_plane()?.peer.as_ref()?.node()
}

/// `connect`, `request` or `response`; of a half, and of another span, its name.
pub(super) fn path_name(span: &Span) -> &str {
    match span.role() {
        Some(role) if role.is_path() && span.half().is_none() => role.as_str(),
        _ => span.name.as_str(),
    }
}
