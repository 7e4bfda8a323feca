//! A scene in which a test says every byte of a connection.
//!
//! In: steps of both ends, as `echo play` does them. Out: the spans. The client asks a service, and
//! each dialogue is a connection of its own to the one server behind it.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hopspan_lab::{NodeOptions, Pod, Process, kube_proxy::Service};

use crate::{Outcome, Scene, binary, fixture::wait_logged};

const PORT: u16 = 8080;
const LISTEN: Duration = Duration::from_secs(30);
/// How long a dialogue may take.
const DIALOGUE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// What one end does next, as `echo play` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step(String);

/// Writes these bytes, at once.
pub fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step(format!("send {}", hex(bytes.as_ref())))
}

/// Writes so many bytes of a body.
pub fn fill(bytes: u64) -> Step {
    Step(format!("fill {bytes}"))
}

/// Reads up to these bytes, and them.
pub fn until(bytes: impl AsRef<[u8]>) -> Step {
    Step(format!("until {}", hex(bytes.as_ref())))
}

/// Reads so many bytes.
pub fn take(bytes: u64) -> Step {
    Step(format!("take {bytes}"))
}

/// Does nothing for so long.
pub fn pause(time: Duration) -> Step {
    Step(format!("pause {}", time.as_millis()))
}

/// Says that it sends no more, and goes on reading.
pub fn shut() -> Step {
    Step("shut".to_owned())
}

/// Reads until the other end sends no more, or resets the connection.
pub fn end() -> Step {
    Step("end".to_owned())
}

/// Closes the connection with a RST. The last step: every other last step is followed by a FIN.
pub fn reset() -> Step {
    Step("reset".to_owned())
}

/// Does nothing until it is killed.
pub fn hang() -> Step {
    Step("hang".to_owned())
}

/// Tries for so long to open another connection, to where nobody answers.
pub fn knock(address: SocketAddr, patience: Duration) -> Step {
    Step(format!("knock {address} {}", patience.as_millis()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Step {
    /// As `echo play` takes it.
    pub fn as_argument(&self) -> &str {
        &self.0
    }
}

/// A client's pod, a server's, and the agent that follows them.
pub struct Dialogues {
    /// Agent and viewer.
    pub scene: Scene,
    /// Where the client runs.
    pub client: Pod,
    /// Where the server runs.
    pub server: Pod,
    service: Service,
}

/// Both ends of one dialogue, while it goes on.
pub struct Dialogue {
    /// Who has connected.
    pub client: Process,
    /// Who has accepted.
    pub server: Process,
}

impl Dialogue {
    /// Waits until the server has done so many of its steps.
    ///
    /// # Errors
    /// When it ends before, or is too slow.
    pub fn wait_server(&mut self, steps: usize) -> Result<()> {
        let deadline = Instant::now() + DIALOGUE;
        let wanted = format!("did step {}\n", steps.saturating_sub(1));
        while !self.server.log().contains(&wanted) {
            let ended = self.server.exit_status()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not do {steps} steps: {}",
                self.server.log()
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Dialogue {
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

impl Dialogues {
    /// A scene without applications.
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
        let mut scene = Scene::start_on(label, options, agent_arguments)?;
        let server = scene.node.pod("dialogue", "server")?;
        let client = scene.node.pod("dialogue", "client")?;
        let service = Service {
            endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
            ..Service::new("dialogue", "server", ([10, 96, 0, 30], 80).into())
        };
        scene.node.apply_services(std::slice::from_ref(&service))?;
        wait_logged(&mut scene.agent, "rules name 1 ways")?;
        Ok(Self {
            scene,
            client,
            server,
            service,
        })
    }

    /// Puts another service beside the server's, and waits until the agent has read its rules.
    ///
    /// # Errors
    /// When the rules are refused, or the agent does not read them.
    pub fn add_service(&mut self, service: &Service) -> Result<()> {
        let services = [self.service.clone(), service.clone()];
        let ways: usize = services.iter().map(|one| one.endpoints.len()).sum();
        let closed = services.iter().filter(|one| one.endpoints.is_empty());
        let wanted = format!(
            "rules name {ways} ways to a pod and close {}",
            closed.count()
        );
        self.scene.node.apply_services(&services)?;
        wait_logged(&mut self.scene.agent, &wanted)
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
        let steps = |steps: &[Step]| steps.iter().map(|step| step.0.clone()).collect::<Vec<_>>();
        let mut server = self
            .server
            .command(binary("echo")?)
            .args(["play", "--listen", &format!("0.0.0.0:{PORT}")])
            .args(steps(server))
            .spawn()?;
        server.wait_listening(PORT, LISTEN)?;
        let client = self
            .client
            .command(binary("echo")?)
            .args(["play", "--connect", &self.address().to_string()])
            .args(steps(client))
            .spawn()?;
        Ok(Dialogue { client, server })
    }

    /// A dialogue that both ends end as they were told to.
    ///
    /// # Errors
    /// When one of them could not do a step.
    pub fn play(&self, server: &[Step], client: &[Step]) -> Result<()> {
        self.begin(server, client)?.finish()
    }
    /// Ends agent and viewer, and gathers what came of it.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub fn finish(self) -> Result<Outcome> {
        self.scene.finish()
    }
}
