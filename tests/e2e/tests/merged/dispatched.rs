//! Two nodes, dispatches over them, and what came of it. In: the nodes' kind and their agents. Out: traces, and which calls
//! were between nodes, as the application says. The agents' books are balanced.

use std::collections::BTreeMap;

use hopspan_e2e::{Kernel, NodeAgent, NodesOutcome, NodesScene, Span, Trace};
use hopspan_lab::{NodeOptions, Overlay, hotrod::HotRod, skip};

/// How many, one after the other, where nothing else is said.
const DISPATCHES: u32 = 3;
/// Client spans of a dispatch, and those of them that go from the frontend to another pod.
const CALLS: usize = 13;
const BETWEEN: usize = 12;

pub(crate) struct Ground {
    pub(crate) options: NodeOptions,
    pub(crate) outcome: NodesOutcome,
    trace_ids: Vec<String>,
    /// The node of each pod, by its name and by its address.
    nodes: BTreeMap<String, String>,
    /// Under which address the first node's pods are seen on the other, where they are masqueraded.
    pub(crate) masquerade: String,
}

impl Ground {
    /// `None` where no lab can be.
    pub(crate) fn lay(test: &str, options: NodeOptions, agents: [NodeAgent; 2]) -> Option<Self> {
        Self::lay_under(test, options, agents, [DISPATCHES, 1])
    }

    /// The same, with as many dispatches, so many at a time.
    pub(crate) fn lay_under(
        test: &str,
        options: NodeOptions,
        agents: [NodeAgent; 2],
        [dispatches, at_a_time]: [u32; 2],
    ) -> Option<Self> {
        if skip(test) {
            return None;
        }
        let mut scene = NodesScene::start(test, options, &agents).unwrap();
        let hotrod = scene.hotrod().unwrap();
        let dispatches = hotrod.dispatch(dispatches, at_a_time).unwrap();
        assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
        let nodes = nodes_of_pods(&scene, &hotrod);
        let masquerade = masquerade_address(&scene);
        hotrod.stop().unwrap();
        let outcome = scene.finish().unwrap();
        let present = agents.iter().filter(|agent| **agent != NodeAgent::Missing);
        assert_eq!(outcome.reports.len(), present.count());
        for report in outcome.reports.values() {
            report.assert_all_attached(&Kernel::running());
            report.assert_nothing_lost();
        }
        Some(Self {
            options,
            outcome,
            trace_ids: dispatches.into_iter().map(|of| of.trace_id).collect(),
            nodes,
            masquerade,
        })
    }

    /// Every call between the nodes, with its trace. No span of any trace is there twice, and none has another parent than
    /// those there are.
    pub(crate) fn calls(&self) -> Vec<(&Trace, &Span)> {
        let mut calls = Vec::new();
        for id in &self.trace_ids {
            let trace = &self.outcome.traces.0[id];
            let spans: BTreeMap<&str, &Span> = trace
                .spans
                .iter()
                .map(|span| (span.span_id.as_str(), span))
                .collect();
            assert_eq!(
                spans.len(),
                trace.spans.len(),
                "a span of {id} is there twice"
            );
            for span in trace.spans.iter().filter(|span| span.scope == "hopspan") {
                assert!(spans.contains_key(span.parent_id.as_str()), "{span:?}");
            }
            assert_eq!(trace.calls().count(), CALLS, "{id}");
            let between = trace.calls().filter(|call| self.is_between(call));
            calls.extend(between.map(|call| (trace, call)));
        }
        assert_eq!(calls.len(), BETWEEN * self.trace_ids.len());
        calls
    }

    fn is_between(&self, call: &Span) -> bool {
        let client = &self.nodes[call.attribute("network.local.address")];
        let server = &self.nodes[call.attribute("hotrod.answered_by")];
        client != server
    }
}

/// That of the device by which packets leave for the other node.
fn masquerade_address(scene: &NodesScene) -> String {
    let node = &scene.nodes[0];
    let options = node.options();
    let [a, b, c, _] = node.pods()[0].ip().octets();
    match (options.masquerade_all, options.overlay) {
        (false, _) => String::new(),
        (true, Overlay::None) => node.ip().to_string(),
        (true, Overlay::Vxlan) => format!("{a}.{b}.{c}.0"),
    }
}

fn nodes_of_pods(scene: &NodesScene, hotrod: &HotRod) -> BTreeMap<String, String> {
    let mut nodes = BTreeMap::new();
    for pod in hotrod.pods() {
        let node = scene
            .nodes
            .iter()
            .find(|node| node.pod_by_ip(pod.ip()).is_some());
        let node = node.unwrap().name().to_owned();
        nodes.insert(pod.name().to_owned(), node.clone());
        nodes.insert(pod.ip().to_string(), node);
    }
    nodes
}
