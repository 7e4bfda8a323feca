//! A fixture in which a test determines every byte of a connection.
//!
//! In: steps of both ends, as `echo play` does them. Out: the spans. The client connects to a
//! service, and each dialogue is a connection of its own to the one server behind it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use hopspan_lab::{Node, NodeOptions, Pod, Process, kube_proxy::Service};

use crate::{
    Fixture, Outcome, Step, play_client, play_fast_open_client, play_server, wait_for_steps,
};

/// What the server listens on.
const PORT: u16 = 8080;
/// Longer than the agent waits, after a socket has closed, for packets that are still on their way.
pub const CLOSE_REPORTED: Duration = Duration::from_millis(2_500);
/// How long a dialogue may take.
const DIALOGUE: Duration = Duration::from_secs(60);

/// A client's pod, a server's pod, and the agent that follows them.
pub struct DialogueFixture {
    /// Node, agent and viewer.
    pub fixture: Fixture,
    /// Where the client runs.
    pub client: Pod,
    /// Where the server runs.
    pub server: Pod,
    service: Service,
}

/// Both ends of a dialogue that is not finished.
pub struct Dialogue {
    /// The end that connects.
    pub client: Process,
    /// The end that accepts.
    pub server: Process,
}

impl Dialogue {
    /// Waits until the server has done so many of its steps.
    ///
    /// # Errors
    /// When it ends before, or takes more than a minute.
    pub fn wait_server(&mut self, steps: usize) -> Result<()> {
        wait_for_steps(&mut self.server, steps)
    }

    /// Waits until both ends have done all of their steps.
    ///
    /// # Errors
    /// When one of them could not do a step.
    pub fn finish(mut self) -> Result<()> {
        for process in [&mut self.client, &mut self.server] {
            let status = process.wait(DIALOGUE)?;
            ensure!(
                status.is_some_and(|status| status.success()),
                "{} ended with {status:?}: {}",
                process.name(),
                process.log()
            );
        }
        Ok(())
    }
}

impl DialogueFixture {
    /// On one node, with an agent that follows all of it.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start(label: &str) -> Result<Self> {
        Self::start_with(label, &[])
    }

    /// The same, with more arguments for the agent.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_with(label: &str, agent_arguments: &[&str]) -> Result<Self> {
        Self::start_on(label, NodeOptions::default(), agent_arguments)
    }

    /// The same, on a node of another kind.
    ///
    /// # Errors
    /// When any part of it cannot start.
    pub fn start_on(label: &str, options: NodeOptions, agent_arguments: &[&str]) -> Result<Self> {
        let mut fixture = Fixture::without_agents(label, options, 1)?;
        let node = fixture.node().clone();
        let server = node.pod("dialogue", "server")?;
        let client = node.pod("dialogue", "client")?;
        let service = Service {
            endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
            ..Service::new("dialogue", "server", ([10, 96, 0, 30], 80).into())
        };
        // Before the agent starts: it is ready when it has read them.
        node.apply_services(std::slice::from_ref(&service))?;
        fixture.start_agent(node.cgroup_root(), agent_arguments)?;
        Ok(Self {
            fixture,
            client,
            server,
            service,
        })
    }

    /// Adds services beside the server's, and waits until the agent has read their rules.
    ///
    /// # Errors
    /// When the rules are refused, or the agent does not read them.
    pub fn add_services(&mut self, services: &[Service]) -> Result<()> {
        let services = [std::slice::from_ref(&self.service), services].concat();
        self.fixture.apply_services(&services)
    }

    /// The node of both pods.
    pub fn node(&self) -> &Node {
        self.fixture.node()
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Begins a dialogue, and leaves its end to the test.
    ///
    /// # Errors
    /// When one of the ends cannot start.
    pub fn begin(&self, server: &[Step], client: &[Step]) -> Result<Dialogue> {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let server = play_server(&self.server, listen, server)?;
        let client = play_client(&self.client, self.address(), client)?;
        Ok(Dialogue { client, server })
    }

    /// Plays a dialogue in which the client's first step is in the SYN, if the kernel of its pod has
    /// a cookie of the server (TCP Fast Open).
    ///
    /// # Errors
    /// When one of them could not do a step.
    pub fn play_fast_open(&self, server: &[Step], client: &[Step]) -> Result<()> {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let server = play_server(&self.server, listen, server)?;
        let client = play_fast_open_client(&self.client, self.address(), client)?;
        Dialogue { client, server }.finish()
    }

    /// Plays a dialogue until both ends have done all of their steps.
    ///
    /// # Errors
    /// When one of them could not do a step.
    pub fn play(&self, server: &[Step], client: &[Step]) -> Result<()> {
        self.begin(server, client)?.finish()
    }

    /// Ends agent and viewer, and gathers what they have seen.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish(self) -> Result<Outcome> {
        self.fixture.finish()
    }

    /// The same, when the agent has reported what ended with the last socket: see
    /// [`CLOSE_REPORTED`].
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish_after_close(self) -> Result<Outcome> {
        std::thread::sleep(CLOSE_REPORTED);
        self.finish()
    }
}
