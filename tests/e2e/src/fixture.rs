//! A lab with everything running: viewer, agent, and the application when a test wants it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hopspan_lab::{
    ClockShift, Lab, Node, NodeOptions, Process, Signal,
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
        let viewer = start_viewer(&lab, &node)?;
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

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
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
        let hotrod = hotrod::deploy(&self.node, &hotrod_options()?)?;
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

/// Starts a viewer that every pod and node can reach. It writes what it receives to `spans.jsonl`, and prints to `page`.
pub(crate) fn start_viewer(lab: &Lab, node: &Node) -> Result<Process> {
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
    Ok(viewer)
}

/// The application as the tests run it: it exports to the first node's viewer.
pub(crate) fn hotrod_options() -> Result<HotRodOptions> {
    Ok(HotRodOptions {
        binary: binary("hotrod")?,
        otlp_endpoint: None,
        env: Vec::new(),
        before: Vec::new(),
    })
}

/// An agent to be started.
pub(crate) struct Agent<'a> {
    pub(crate) node: &'a Node,
    /// Whose sockets it follows.
    pub(crate) cgroup: &'a Path,
    /// More arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Where the viewer is.
    pub(crate) receiver: IpAddr,
    /// How far its wall time is off.
    pub(crate) wall_clock: Option<ClockShift>,
    /// Where its report goes.
    pub(crate) report: PathBuf,
}

impl<'a> Agent<'a> {
    /// One that follows its whole node and exports to a viewer there; its report goes to `report.json`.
    pub(crate) fn of(lab: &Lab, node: &'a Node) -> Self {
        Self {
            node,
            cgroup: node.cgroup_root(),
            arguments: &[],
            receiver: Ipv4Addr::LOCALHOST.into(),
            wall_clock: None,
            report: lab.work_dir().join("report.json"),
        }
    }

    /// Starts it, and waits until it is attached.
    pub(crate) fn start(&self) -> Result<Process> {
        let mut command = self
            .node
            .command(binary("hopspan")?)
            .arg("run")
            .arg("--cgroup")
            .arg(self.cgroup)
            .arg("--report")
            .arg(&self.report)
            .args(self.arguments)
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}:4318", self.receiver),
            )
            // These tests are about what is seen, not about how fast a dev build exports a burst of it.
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "500000")
            .env("NODE_NAME", self.node.name());
        // It reckons wall time from the kernel's times by its own two clocks: where its monotonic one is behind, the
        // distance is too long, and what it exports is too late.
        let reversed = self.wall_clock.map(|shift| match shift {
            ClockShift::Ahead(by) => ClockShift::Behind(by),
            ClockShift::Behind(by) => ClockShift::Ahead(by),
        });
        if let Some(shift) = reversed {
            command = command.clock(shift);
        }
        let mut agent = command.spawn()?;
        wait_logged(&mut agent, "hopspan: attached")?;
        Ok(agent)
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
    let agent = Agent {
        cgroup,
        arguments,
        ..Agent::of(lab, node)
    };
    agent.start()
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
