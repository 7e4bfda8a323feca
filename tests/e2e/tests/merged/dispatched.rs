//! Dispatches of the application over two nodes.
//!
//! In: the nodes' kind and their agents. Out: the merged traces, and which calls went from one node
//! to the other, as the application reports. Nothing was lost.

use std::collections::BTreeMap;

use hopspan_e2e::{
    CallEnds, Fixture, Kernel, NodeAgent, Outcome, Span, Trace, Traces,
    back_ends::{self, Clocks},
};
use hopspan_lab::{NodeOptions, Overlay, skip};

/// How many, one after the other, unless a test has another number.
const DISPATCHES: u32 = 3;
/// Client spans of a dispatch, and those of them that go from the frontend to another pod.
const CALLS: usize = 13;
const CALLS_BETWEEN_NODES: usize = 12;

pub(crate) struct Dispatched {
    pub(crate) options: NodeOptions,
    pub(crate) outcome: Outcome,
    /// The traces with the halves of exchanges merged.
    pub(crate) merged: Traces,
    trace_ids: Vec<String>,
    ends: CallEnds,
    /// The address that the first node's pods have on the second, where they are masqueraded.
    pub(crate) masquerade: String,
}

impl Dispatched {
    /// Runs the dispatches one after the other. `None` where no lab can run.
    pub(crate) fn run(test: &str, options: NodeOptions, agents: [NodeAgent; 2]) -> Option<Self> {
        Self::run_at_once(test, options, agents, [DISPATCHES, 1])
    }

    /// Runs so many dispatches, so many at a time. `None` where no lab can run.
    pub(crate) fn run_at_once(
        test: &str,
        options: NodeOptions,
        agents: [NodeAgent; 2],
        [dispatches, at_a_time]: [u32; 2],
    ) -> Option<Self> {
        if skip(test) {
            return None;
        }
        let mut fixture = Fixture::start_nodes(test, options, &agents).unwrap();
        let hotrod = fixture.hotrod().unwrap();
        let dispatches = hotrod.dispatch(dispatches, at_a_time).unwrap();
        assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
        let ends = CallEnds::new(&fixture.nodes, &hotrod);
        let masquerade = masquerade_address(&fixture);
        hotrod.stop().unwrap();
        let (outcome, merged) = fixture.finish_merged().unwrap();
        let present = agents.iter().filter(|agent| **agent != NodeAgent::Missing);
        assert_eq!(outcome.reports.len(), present.count());
        for report in outcome.reports.values() {
            report.assert_all_attached(&Kernel::running());
            report.assert_nothing_lost();
        }
        let is_off = |agent: &NodeAgent| matches!(agent, NodeAgent::Off(_));
        let clocks = if agents.iter().any(is_off) {
            Clocks::Differ
        } else {
            Clocks::Agree
        };
        for trace in outcome.traces.0.values() {
            back_ends::assert_shown(trace, clocks);
        }
        Some(Self {
            options,
            outcome,
            merged,
            trace_ids: dispatches.into_iter().map(|of| of.trace_id).collect(),
            ends,
            masquerade,
        })
    }

    /// Every call between the nodes, with its trace. Checks that no trace has a span twice, and
    /// that the parent of each of hopspan's spans is in the trace.
    pub(crate) fn calls(&self) -> Vec<(&Trace, &Span)> {
        let mut calls = Vec::new();
        for id in &self.trace_ids {
            let trace = &self.merged.0[id];
            let spans: BTreeMap<&str, &Span> = trace
                .spans
                .iter()
                .map(|span| (span.span_id.as_str(), span))
                .collect();
            assert_eq!(spans.len(), trace.spans.len(), "{id} has a span twice");
            for span in trace.spans.iter().filter(|span| span.scope == "hopspan") {
                assert!(spans.contains_key(span.parent_id.as_str()), "{span:?}");
            }
            assert_eq!(trace.calls().count(), CALLS, "{id}");
            let between = trace.calls().filter(|call| self.is_between_nodes(call));
            calls.extend(between.map(|call| (trace, call)));
        }
        assert_eq!(calls.len(), CALLS_BETWEEN_NODES * self.trace_ids.len());
        calls
    }

    fn is_between_nodes(&self, call: &Span) -> bool {
        let [client, server] = self.ends.of(call);
        client != server
    }
}

/// The address of the device by which packets leave for the other node; empty without masquerading.
fn masquerade_address(fixture: &Fixture) -> String {
    let node = fixture.node();
    let options = node.options();
    let [a, b, c, _] = node.pods()[0].ip().octets();
    match (options.masquerade_all, options.overlay) {
        (false, _) => String::new(),
        (true, Overlay::None) => node.ip().to_string(),
        (true, Overlay::Vxlan) => format!("{a}.{b}.{c}.0"),
    }
}
