//! A lab with everything running: viewer, agent, and the application when a test wants it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hopspan_lab::{
    Lab, Node, NodeOptions, Process, Signal,
    hotrod::{self, HotRod, HotRodOptions},
};

use crate::{Report, Traces, binary};

/// How long the agent may take to attach, on a machine that may be compiling beside it.
const ATTACH: Duration = Duration::from_secs(30);
/// How long a process may take to flush and end.
const END: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A lab with a viewer, before there is an agent.
pub struct Prelude {
    /// The lab.
    pub lab: Lab,
    /// Its node.
    pub node: Node,
    viewer: Process,
}

/// Agent and viewer on a node of a lab.
pub struct Scene {
    /// The node that the agent follows.
    pub node: Node,
    /// The agent.
    pub agent: Process,
    viewer: Process,
    // Last, so that it is taken down after the processes.
    lab: Lab,
}

/// What came of a scene.
#[derive(Debug)]
pub struct Outcome {
    /// Everything the viewer received.
    pub traces: Traces,
    /// What the agent counted.
    pub report: Report,
    /// What the viewer printed.
    pub page: String,
}

impl Prelude {
    /// A lab with a node and a viewer.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start(label: &str, options: NodeOptions) -> Result<Self> {
        let lab = Lab::new(label)?;
        let node = lab.node_with("node", options)?;
        let page = fs::File::create(lab.work_dir().join("page"))?;
        let mut viewer = node
            .command(binary("hopspan")?)
            .arg("view")
            .args(["--grpc", "0.0.0.0:4317", "--http", "0.0.0.0:4318"])
            .args(["--at-end", "--width", "120", "--charset", "utf-8", "--json"])
            .arg(lab.work_dir().join("spans.jsonl"))
            .stdout(page)
            .spawn()?;
        viewer.wait_listening(4317, ATTACH)?;
        viewer.wait_listening(4318, ATTACH)?;
        Ok(Self { lab, node, viewer })
    }

    /// Attaches an agent that follows the sockets of a cgroup.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn attach(self, cgroup: &Path, arguments: &[&str]) -> Result<Scene> {
        let Self { lab, node, viewer } = self;
        let agent = start_agent(&lab, &node, cgroup, arguments)?;
        Ok(Scene {
            node,
            agent,
            viewer,
            lab,
        })
    }
}

impl Scene {
    /// A lab with a viewer and an attached agent.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start(label: &str) -> Result<Self> {
        Self::start_with(label, &[])
    }

    /// The same, with more arguments for the agent.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start_with(label: &str, agent_arguments: &[&str]) -> Result<Self> {
        Self::start_on(label, NodeOptions::default(), agent_arguments)
    }

    /// The same, on a node of another kind.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start_on(label: &str, options: NodeOptions, agent_arguments: &[&str]) -> Result<Self> {
        let prelude = Prelude::start(label, options)?;
        let cgroup = prelude.node.cgroup_root().to_owned();
        prelude.attach(&cgroup, agent_arguments)
    }

    /// Waits until the agent has logged something.
    ///
    /// # Errors
    /// When it ends, or has not after half a minute.
    pub fn wait_logged(&mut self, what: &str) -> Result<()> {
        wait_logged(&mut self.agent, what)
    }

    /// Files of this scene are here.
    pub fn work_dir(&self) -> &Path {
        self.lab.work_dir()
    }

    /// Deploys the application, and waits until the agent knows its services.
    ///
    /// # Errors
    /// When an instance does not start.
    pub fn hotrod(&mut self) -> Result<HotRod> {
        let options = HotRodOptions {
            binary: binary("hotrod")?,
            otlp_endpoint: None,
            env: Vec::new(),
            before: Vec::new(),
        };
        let hotrod = hotrod::deploy(&self.node, &options)?;
        let ways: usize = hotrod
            .services()
            .iter()
            .map(|service| service.endpoints.len())
            .sum();
        wait_logged(&mut self.agent, &format!("rules name {ways} ways"))?;
        Ok(hotrod)
    }

    /// Ends agent and viewer with SIGTERM and gathers what came of it.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish(mut self) -> Result<Outcome> {
        end(&mut self.agent)?;
        end(&mut self.viewer)?;
        let file = |name: &str| -> PathBuf { self.lab.work_dir().join(name) };
        Ok(Outcome {
            traces: Traces::read(&file("spans.jsonl"))?,
            report: Report::read(&file("report.json"))?,
            page: fs::read_to_string(file("page"))?,
        })
    }
}

/// Starts an agent that follows a cgroup of a node, and waits until it is attached. Its report goes
/// to `report.json`.
pub(crate) fn start_agent(
    lab: &Lab,
    node: &Node,
    cgroup: &Path,
    arguments: &[&str],
) -> Result<Process> {
    let mut agent = node
        .command(binary("hopspan")?)
        .arg("run")
        .arg("--cgroup")
        .arg(cgroup)
        .arg("--report")
        .arg(lab.work_dir().join("report.json"))
        .args(arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        // These tests are about what is seen, not about how fast a dev build exports a burst of it.
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "500000")
        .env("NODE_NAME", "node")
        .spawn()?;
    wait_logged(&mut agent, "hopspan: attached")?;
    Ok(agent)
}

pub(crate) fn end(process: &mut Process) -> Result<()> {
    process.signal(Signal::SIGTERM)?;
    let status = process.wait(END)?;
    ensure!(
        status.is_some_and(|status| status.success()),
        "{} ended with {status:?}:\n{}",
        process.name(),
        process.log()
    );
    Ok(())
}

/// Waits until the agent says something.
pub(crate) fn wait_logged(agent: &mut Process, what: &str) -> Result<()> {
    let deadline = Instant::now() + ATTACH;
    while !agent.log().contains(what) {
        let ended = agent.exit_status().context("watch the agent")?;
        ensure!(
            ended.is_none() && Instant::now() < deadline,
            "the agent does not say {what:?}:\n{}",
            agent.log()
        );
        std::thread::sleep(POLL);
    }
    Ok(())
}
