//! A lab of several nodes with an agent on each, and one viewer on the first, to which agents and applications of all nodes
//! export over the wire. An agent can be left out, or its node's clock be off.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use hopspan_lab::{
    ClockShift, Lab, Node, NodeOptions, Process,
    hotrod::{self, HotRod},
};
use tracer_user::capture::recording::Reader;

use crate::{
    Report, Traces,
    fixture::{Agent, end, hotrod_options, start_viewer, wait_logged},
};

/// What agent a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeAgent {
    /// One whose clock is right.
    #[default]
    Right,
    /// One whose wall time is off, as that of a node whose clock is.
    Off(ClockShift),
    /// None.
    Missing,
}

/// Nodes, agents and a viewer.
pub struct NodesScene {
    /// `node-1`, `node-2` and so on.
    pub nodes: Vec<Node>,
    /// Those that are there, by the names of their nodes.
    pub agents: BTreeMap<String, Process>,
    viewer: Process,
    // Last, so that it is taken down after the processes.
    lab: Lab,
}

/// What came of it.
#[derive(Debug)]
pub struct NodesOutcome {
    /// Everything the viewer received, the halves of exchanges between nodes merged.
    pub traces: Traces,
    /// The same as it was sent.
    pub sent: Traces,
    /// What the agents counted, by the names of their nodes.
    pub reports: BTreeMap<String, Report>,
    /// The raw records of each agent, where they were recorded.
    pub recordings: BTreeMap<String, Vec<Vec<u8>>>,
    /// What the viewer printed.
    pub page: String,
}

impl NodesScene {
    /// As many nodes as `agents` says, all of one kind, and a viewer.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start(label: &str, options: NodeOptions, agents: &[NodeAgent]) -> Result<Self> {
        Self::start_with(label, options, agents, false)
    }

    /// The same; the agents record what they see.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_recording(
        label: &str,
        options: NodeOptions,
        agents: &[NodeAgent],
    ) -> Result<Self> {
        Self::start_with(label, options, agents, true)
    }

    fn start_with(
        label: &str,
        options: NodeOptions,
        agents: &[NodeAgent],
        records: bool,
    ) -> Result<Self> {
        let lab = Lab::new(label)?;
        let nodes = (1..=agents.len())
            .map(|number| lab.node_with(&format!("node-{number}"), options))
            .collect::<Result<Vec<Node>>>()?;
        ensure!(!nodes.is_empty(), "a scene needs a node");
        let mut scene = Self {
            viewer: start_viewer(&lab, &nodes[0])?,
            agents: BTreeMap::new(),
            nodes,
            lab,
        };
        for (node, agent) in scene.nodes.iter().zip(agents) {
            let clock = match agent {
                NodeAgent::Right => None,
                NodeAgent::Off(shift) => Some(*shift),
                NodeAgent::Missing => continue,
            };
            let receiver = match node.name() == scene.nodes[0].name() {
                true => Ipv4Addr::LOCALHOST,
                false => scene.nodes[0].ip(),
            };
            let recording = scene.recording(node.name()).display().to_string();
            let record = ["--record", recording.as_str()];
            let agent = Agent {
                arguments: if records { &record } else { &[] },
                receiver: IpAddr::V4(receiver),
                wall_clock: clock,
                report: scene.report(node.name()),
                ..Agent::of(&scene.lab, node)
            };
            scene.agents.insert(node.name().to_owned(), agent.start()?);
        }
        Ok(scene)
    }

    /// Deploys the application over the nodes: its client and its frontend on the first, what those call on the others. Waits
    /// until every agent knows its services.
    ///
    /// # Errors
    /// When an instance does not start.
    pub fn hotrod(&mut self) -> Result<HotRod> {
        let hotrod = hotrod::deploy_over(&self.nodes, &hotrod_options()?)?;
        let endpoints = hotrod.services().iter();
        let ways: usize = endpoints.map(|service| service.endpoints.len()).sum();
        self.wait_logged(&format!("rules name {ways} ways"))?;
        Ok(hotrod)
    }

    /// Waits until every agent has logged something.
    ///
    /// # Errors
    /// When one ends, or has not after half a minute.
    pub fn wait_logged(&mut self, what: &str) -> Result<()> {
        let mut agents = self.agents.values_mut();
        agents.try_for_each(|agent| wait_logged(agent, what))
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Ends agents and viewer with SIGTERM and gathers what came of it.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish(mut self) -> Result<NodesOutcome> {
        self.agents.values_mut().try_for_each(end)?;
        end(&mut self.viewer)?;
        let spans = self.lab.work_dir().join("spans.jsonl");
        let reports = self.agents.keys();
        let reports = reports.map(|node| Ok((node.clone(), Report::read(&self.report(node))?)));
        let recordings = self.agents.keys().filter_map(|node| {
            let path = self.recording(node);
            path.exists().then(|| Ok((node.clone(), records(&path)?)))
        });
        Ok(NodesOutcome {
            recordings: recordings.collect::<Result<_>>()?,
            reports: reports.collect::<Result<_>>()?,
            traces: Traces::read_merged(&spans)?,
            sent: Traces::read(&spans)?,
            page: fs::read_to_string(self.lab.work_dir().join("page"))?,
        })
    }

    fn recording(&self, node: &str) -> PathBuf {
        self.lab.work_dir().join(format!("recording-{node}"))
    }

    fn report(&self, node: &str) -> PathBuf {
        self.lab.work_dir().join(format!("report-{node}.json"))
    }
}

/// The raw records of a recording.
fn records(path: &Path) -> Result<Vec<Vec<u8>>> {
    let records = Reader::open(path).with_context(|| format!("open {}", path.display()))?;
    Ok(records.collect::<std::io::Result<_>>()?)
}
