//! Each agent stamps only on its own node, though all nodes of a lab share a kernel and its
//! tracepoints. In: the agents' recordings. Out: a failed test where a journey has a stamp of
//! another node's device.

use std::collections::{BTreeMap, BTreeSet};

use hopspan_e2e::{Fixture, Outcome};
use tracer_pipeline::decode::{Record, decode};

/// The network namespaces of each node and its pods.
pub(crate) struct Namespaces(BTreeMap<String, BTreeSet<u64>>);

impl Namespaces {
    pub(crate) fn of(fixture: &Fixture) -> Self {
        let of_node = |node: &hopspan_lab::Node| {
            let pods = node.pods();
            let of_pods = pods.iter().map(hopspan_lab::Pod::netns_inode);
            of_pods.chain([node.netns_inode()]).collect()
        };
        let nodes = fixture.nodes.iter();
        Self(
            nodes
                .map(|node| (node.name().to_owned(), of_node(node)))
                .collect(),
        )
    }

    pub(crate) fn assert_stamps(&self, outcome: &Outcome) {
        for (node, recording) in &outcome.recordings {
            let own = &self.0[node];
            let mut seen = 0;
            for record in recording {
                let Ok(Record::Journey(journey)) = decode(record) else {
                    continue;
                };
                for device in journey.stamps.iter().filter_map(|stamp| stamp.device) {
                    seen += 1;
                    assert!(
                        own.contains(&u64::from(device.netns)),
                        "{node} has stamped elsewhere: {journey:#?}"
                    );
                }
            }
            assert!(seen > 100, "{seen} stamps at devices on {node}");
        }
    }
}
