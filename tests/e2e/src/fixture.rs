//! The fixture of most tests: a lab of one node or several, a viewer on the first, and agents.
//!
//! In: the kind of the nodes, and which agent each has. Out: everything that the agents and the
//! applications have exported, and what the agents have counted. Agents and applications of all
//! nodes export to the one viewer, over the wire.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use hopspan_lab::{
    ClockShift, Lab, Node, NodeOptions, Process,
    hotrod::{self, HotRod, HotRodOptions},
    kube_proxy::Service,
};
use tracer_pipeline::recording::Reader;

use crate::{
    Report, Traces,
    agent::{Agent, AgentOptions, end},
    binary,
};

/// How long the viewer may take to listen, on a machine that may be compiling beside it.
const LISTEN_LIMIT: Duration = Duration::from_secs(30);

/// The agent of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeAgent {
    /// An agent whose clock is right.
    #[default]
    Right,
    /// An agent whose wall clock is off.
    Off(ClockShift),
    /// No agent.
    Missing,
}

/// Nodes, their agents and a viewer.
pub struct Fixture {
    /// `node`, or `node-1`, `node-2` and so on where there are several.
    pub nodes: Vec<Node>,
    /// By the names of their nodes.
    pub agents: BTreeMap<String, Agent>,
    viewer: Process,
    /// Where agents and applications export to instead of the viewer.
    collector: Option<Ipv4Addr>,
    // Last, so that it is taken down after the processes.
    lab: Lab,
}

/// What a fixture has at its end.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that the viewer received, as it was sent.
    pub traces: Traces,
    /// What the agents counted, by the names of their nodes.
    pub reports: BTreeMap<String, Report>,
    /// The raw records of each agent that recorded them.
    pub recordings: BTreeMap<String, Vec<Vec<u8>>>,
    /// What the viewer printed.
    pub page: String,
}

impl Fixture {
    /// One node, with an agent that follows all of it.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start(label: &str) -> Result<Self> {
        Self::start_with(label, &[])
    }

    /// One node, and an agent with more arguments.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_with(label: &str, agent_arguments: &[&str]) -> Result<Self> {
        Self::start_on(label, NodeOptions::default(), agent_arguments)
    }

    /// One node of this kind, and an agent with more arguments.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_on(label: &str, options: NodeOptions, agent_arguments: &[&str]) -> Result<Self> {
        let mut fixture = Self::without_agents(label, options, 1)?;
        let cgroup = fixture.node().cgroup_root().to_owned();
        fixture.start_agent(&cgroup, agent_arguments)?;
        Ok(fixture)
    }

    /// As many nodes of one kind as there are `agents`, each with its agent.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_nodes(label: &str, options: NodeOptions, agents: &[NodeAgent]) -> Result<Self> {
        let mut fixture = Self::without_agents(label, options, agents.len())?;
        fixture.start_agents(agents, false)?;
        Ok(fixture)
    }

    /// The same; the agents record what they see, see [`Outcome::recordings`].
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_recording(
        label: &str,
        options: NodeOptions,
        agents: &[NodeAgent],
    ) -> Result<Self> {
        let mut fixture = Self::without_agents(label, options, agents.len())?;
        fixture.start_recording_agents(agents)?;
        Ok(fixture)
    }

    /// So many nodes of one kind, and no agent yet.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn without_agents(label: &str, options: NodeOptions, nodes: usize) -> Result<Self> {
        let lab = Lab::new(label)?;
        let name = |number: usize| match nodes {
            1 => "node".to_owned(),
            _ => format!("node-{number}"),
        };
        let nodes = (1..=nodes)
            .map(|number| lab.node_with(&name(number), options))
            .collect::<Result<Vec<Node>>>()?;
        let first = nodes.first().context("a fixture needs a node")?;
        Ok(Self {
            viewer: start_viewer(&lab, first)?,
            agents: BTreeMap::new(),
            collector: None,
            nodes,
            lab,
        })
    }

    /// Lets the agents and applications that are started from now on export to this address: agents
    /// to port 4318 by OTLP over HTTP, applications to port 4317 by OTLP over gRPC. The viewer
    /// receives nothing then.
    pub fn export_to(&mut self, collector: Ipv4Addr) {
        self.collector = Some(collector);
    }

    /// Starts the agent of the first node, to follow the sockets of a cgroup.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_agent(&mut self, cgroup: &Path, arguments: &[&str]) -> Result<()> {
        let node = self.node().clone();
        let options = AgentOptions {
            cgroup,
            arguments,
            ..AgentOptions::new(&node, self.report(node.name()))
        };
        self.agents.insert(node.name().to_owned(), options.start()?);
        Ok(())
    }

    /// Starts the agent of the first node, which logs all it can.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_tracing_agent(&mut self, arguments: &[&str]) -> Result<()> {
        let node = self.node().clone();
        let options = AgentOptions {
            arguments,
            log_level: Some("trace"),
            ..AgentOptions::new(&node, self.report(node.name()))
        };
        self.agents.insert(node.name().to_owned(), options.start()?);
        Ok(())
    }

    /// Starts an agent on each node that has one. They record what they see, see
    /// [`Outcome::recordings`].
    ///
    /// # Errors
    /// When one cannot start.
    pub fn start_recording_agents(&mut self, agents: &[NodeAgent]) -> Result<()> {
        self.start_agents(agents, true)
    }

    fn start_agents(&mut self, agents: &[NodeAgent], records: bool) -> Result<()> {
        let first = self.node().clone();
        for (node, agent) in self.nodes.iter().zip(agents) {
            let wall_clock = match agent {
                NodeAgent::Right => None,
                NodeAgent::Off(shift) => Some(*shift),
                NodeAgent::Missing => continue,
            };
            let viewer = match node.name() == first.name() {
                true => Ipv4Addr::LOCALHOST,
                false => first.ip(),
            };
            let recording = self.recording(node.name()).display().to_string();
            let record = ["--record", recording.as_str()];
            let options = AgentOptions {
                arguments: if records { &record } else { &[] },
                collector: IpAddr::V4(self.collector.unwrap_or(viewer)),
                wall_clock,
                ..AgentOptions::new(node, self.report(node.name()))
            };
            self.agents.insert(node.name().to_owned(), options.start()?);
        }
        Ok(())
    }

    /// The only node, or the first of several.
    pub fn node(&self) -> &Node {
        &self.nodes[0]
    }

    /// The agent of the first node.
    ///
    /// # Panics
    /// When that node has none.
    pub fn agent(&mut self) -> &mut Agent {
        let node = self.nodes[0].name();
        let agent = self.agents.get_mut(node);
        agent.unwrap_or_else(|| panic!("node {node} has no agent"))
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The directory for files of this fixture.
    pub fn work_dir(&self) -> &Path {
        self.lab.work_dir()
    }

    /// Gives every node the rules of these services, and waits until every agent has read them. See
    /// [`Agent::wait_for_rules`] for which services they may be.
    ///
    /// # Errors
    /// When the rules are refused, or an agent does not read them.
    pub fn apply_services(&mut self, services: &[Service]) -> Result<()> {
        self.lab.apply_services(services)?;
        self.wait_for_rules(services)
    }

    /// Deploys the application, and waits until every agent has read the rules of its services.
    /// Over several nodes, its client and its frontend are on the first, and what those call on the
    /// others.
    ///
    /// # Errors
    /// When an instance does not start.
    pub fn hotrod(&mut self) -> Result<HotRod> {
        let options = HotRodOptions {
            binary: binary("hotrod")?,
            otlp_endpoint: self.collector.map(|ip| format!("http://{ip}:4317")),
            env: Vec::new(),
            before: Vec::new(),
        };
        let hotrod = hotrod::deploy_over(&self.nodes, &options)?;
        self.wait_for_rules(hotrod.services())?;
        Ok(hotrod)
    }

    fn wait_for_rules(&mut self, services: &[Service]) -> Result<()> {
        let mut agents = self.agents.values_mut();
        agents.try_for_each(|agent| agent.wait_for_rules(services))
    }

    /// Ends agents and viewer with SIGTERM, and gathers what they have seen.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish(mut self) -> Result<Outcome> {
        self.end()?;
        self.outcome()
    }

    /// The same, and all traces once more with the halves of exchanges between nodes merged as the
    /// viewer merges them.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_merged(mut self) -> Result<(Outcome, Traces)> {
        self.end()?;
        Ok((self.outcome()?, Traces::read_merged(&self.spans())?))
    }

    /// Ends agents and viewer with SIGTERM. The lab and the other processes in it stay.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn end(&mut self) -> Result<()> {
        let mut agents = self.agents.values_mut();
        agents.try_for_each(|agent| end(&mut agent.process))?;
        end(&mut self.viewer)
    }

    /// What agents and viewer have seen, after their end.
    ///
    /// # Errors
    /// When they have not written it.
    pub fn outcome(&self) -> Result<Outcome> {
        let nodes = || self.agents.keys().cloned();
        let reports = nodes().map(|node| Ok((node.clone(), Report::read(&self.report(&node))?)));
        let recordings = nodes().filter_map(|node| {
            let path = self.recording(&node);
            path.exists().then(|| Ok((node, read_records(&path)?)))
        });
        Ok(Outcome {
            traces: Traces::read(&self.spans())?,
            reports: reports.collect::<Result<_>>()?,
            recordings: recordings.collect::<Result<_>>()?,
            page: fs::read_to_string(page(&self.lab))?,
        })
    }

    fn spans(&self) -> PathBuf {
        spans(&self.lab)
    }

    fn recording(&self, node: &str) -> PathBuf {
        self.work_dir().join(format!("recording-{node}"))
    }

    fn report(&self, node: &str) -> PathBuf {
        self.work_dir().join(format!("report-{node}.json"))
    }
}

impl Outcome {
    /// What the only agent counted.
    ///
    /// # Panics
    /// When there are several.
    pub fn report(&self) -> &Report {
        let mut reports = self.reports.values();
        match (reports.next(), reports.next()) {
            (Some(report), None) => report,
            _ => panic!("{} reports, not one", self.reports.len()),
        }
    }
}

/// Starts a viewer that every pod and node can reach.
fn start_viewer(lab: &Lab, node: &Node) -> Result<Process> {
    let page = fs::File::create(page(lab))?;
    let mut viewer = node
        .command(binary("hopspan")?)
        .arg("view")
        .args(["--grpc", "0.0.0.0:4317", "--http", "0.0.0.0:4318"])
        .args(["--at-end", "--full", "--width", "120"])
        .args(["--charset", "utf-8", "--page", "off", "--json"])
        .arg(spans(lab))
        .stdout(page)
        .spawn()?;
    viewer.wait_listening(4317, LISTEN_LIMIT)?;
    viewer.wait_listening(4318, LISTEN_LIMIT)?;
    Ok(viewer)
}

/// Where the viewer writes what it receives.
fn spans(lab: &Lab) -> PathBuf {
    lab.work_dir().join("spans.jsonl")
}

/// Where the viewer's standard output goes.
fn page(lab: &Lab) -> PathBuf {
    lab.work_dir().join("page")
}

fn read_records(path: &Path) -> Result<Vec<Vec<u8>>> {
    let records = Reader::open(path).with_context(|| format!("open {}", path.display()))?;
    Ok(records.collect::<std::io::Result<_>>()?)
}
