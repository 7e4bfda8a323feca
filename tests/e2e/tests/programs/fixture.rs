//! A scene with pods and services for other people's programs. In: which servers listen where. Out:
//! their addresses, and at the end the spans, of which none was lost.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use hopspan_e2e::{Kernel, Scene, Traces};
use hopspan_lab::{Pod, Process, kube_proxy::Service};

/// The port of every service and server.
pub(crate) const PORT: u16 = 8080;
/// How long a program may take to start, or the agent to know a service.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const NAMESPACE: &str = "programs";

/// A scene, the services on its node, and the servers behind them.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    services: Vec<Service>,
    // Ended with the stage, after the spans are there.
    servers: Vec<Process>,
}

impl Stage {
    pub(crate) fn new(label: &str) -> Self {
        Self {
            scene: Scene::start(label).unwrap(),
            services: Vec::new(),
            servers: Vec::new(),
        }
    }

    pub(crate) fn pod(&self, name: &str) -> Pod {
        self.scene.node.pod(NAMESPACE, name).unwrap()
    }

    /// A directory of its own for one server's configuration.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.scene.work_dir().join(name);
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// Keeps a server until the end, once it listens.
    pub(crate) fn keep(&mut self, mut server: Process) {
        server.wait_listening(PORT, START).unwrap();
        self.servers.push(server);
    }

    /// Makes a service of these pods, and waits until the agent knows it by kube-proxy's rules.
    pub(crate) fn service(&mut self, name: &str, pods: &[Pod]) -> Service {
        let host = u8::try_from(self.services.len()).unwrap() + 20;
        let service = Service {
            endpoints: pods.iter().map(|pod| endpoint(pod.ip())).collect(),
            ..Service::new(NAMESPACE, name, ([10, 96, 0, host], PORT).into())
        };
        self.services.push(service.clone());
        self.scene.node.apply_services(&self.services).unwrap();
        let ways: usize = self
            .services
            .iter()
            .map(|service| service.endpoints.len())
            .sum();
        self.wait_logged(&format!("rules name {ways} ways"));
        service
    }

    /// Ends the servers, which export what they have to.
    pub(crate) fn stop_servers(&mut self) {
        for mut server in self.servers.drain(..) {
            let status = server.terminate(START).unwrap();
            assert!(status.success(), "{status}:\n{}", server.log());
        }
    }

    /// Ends agent and viewer. What they had to see is seen: nothing was lost, every hook attached.
    pub(crate) fn finish(self) -> Traces {
        let outcome = self.scene.finish().unwrap();
        outcome.report.assert_all_attached(&Kernel::running());
        outcome.report.assert_nothing_lost();
        outcome.traces
    }

    fn wait_logged(&self, what: &str) {
        let deadline = Instant::now() + START;
        while !self.scene.agent.log().contains(what) {
            assert!(
                Instant::now() < deadline,
                "the agent does not say {what:?}:\n{}",
                self.scene.agent.log()
            );
            std::thread::sleep(POLL);
        }
    }
}

/// What a server listens on.
pub(crate) fn endpoint(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(ip.into(), PORT)
}
