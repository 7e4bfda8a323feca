//! What a comparison needs of a call, without its trace. In: a tree and a call. Out: a value that can
//! be kept for thousands of traces. Pure; knows no other calls.

use crate::call::{Call, Edge, Times};
use crate::hop_times::HopKind;
use crate::id::TraceId;
use crate::problem::failure;
use crate::span::Span;
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// One call.
#[derive(Debug, Clone)]
pub struct CallSample {
    /// Its trace.
    pub trace: TraceId,
    /// The span of its client, in the tree of the trace.
    pub client: NodeId,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Client and server.
    pub edge: Edge,
    /// The parts of its time.
    pub times: Times,
    /// Whether hopspan saw an exchange of it.
    pub is_seen: bool,
    /// Why it failed, in words: by a path of it, else by the span of its client.
    pub failure: Option<String>,
    /// The name of its longest hop.
    pub longest_hop: Option<Text>,
}

impl CallSample {
    /// All calls of a trace, by start.
    pub fn all(trace: TraceId, tree: &Tree<'_>) -> Vec<Self> {
        let calls = Call::all(tree);
        calls
            .iter()
            .map(|call| Self::of(trace, tree, call))
            .collect()
    }

    /// One call of a trace.
    pub fn of(trace: TraceId, tree: &Tree<'_>, call: &Call) -> Self {
        let client = tree.nodes[call.client].span;
        let exchanges = call.exchanges.iter();
        let paths = || exchanges.clone().flat_map(|exchange| exchange.paths.iter());
        let of_paths = paths().find_map(|&path| failure(tree.nodes[path].span));
        let hops = paths().flat_map(|&path| &tree.nodes[path].children);
        let hops = hops.map(|&hop| tree.nodes[hop].span);
        Self {
            trace,
            client: call.client,
            start_ns: client.start_ns,
            edge: call.edge.clone(),
            times: call.times,
            is_seen: !call.exchanges.is_empty(),
            failure: of_paths.or_else(|| failure(client)),
            longest_hop: longest(hops),
        }
    }
}

fn longest<'s>(hops: impl Iterator<Item = &'s Span>) -> Option<Text> {
    let names = hops
        .filter(|hop| HopKind::of(hop).is_some())
        .filter_map(|hop| {
            let name = hop.data_plane()?.hop.clone()?;
            Some((hop.duration_ns(), name))
        });
    names.max_by_key(|(ns, _)| *ns).map(|(_, name)| name)
}
