//! Pods and services for programs that this project did not write. In: which servers listen where.
//! Out: their addresses, and at the end the spans, of which none was lost.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use hopspan_e2e::{Fixture, Kernel, Traces};
use hopspan_lab::{Pod, Process, kube_proxy::Service};

/// The port of every service and server.
pub(crate) const PORT: u16 = 8080;
/// How long a program may take to start or to end.
const PROGRAM_LIMIT: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "programs";

/// Node, agent and viewer, the services on the node, and the servers behind them.
pub(crate) struct ProgramFixture {
    pub(crate) fixture: Fixture,
    services: Vec<Service>,
    // Ended with the fixture, after the spans are there.
    servers: Vec<Process>,
}

impl ProgramFixture {
    pub(crate) fn start(label: &str) -> Self {
        Self {
            fixture: Fixture::start(label).unwrap(),
            services: Vec::new(),
            servers: Vec::new(),
        }
    }

    pub(crate) fn pod(&self, name: &str) -> Pod {
        self.fixture.node().pod(NAMESPACE, name).unwrap()
    }

    /// Makes a directory for one server's configuration.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.fixture.work_dir().join(name);
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// Keeps a server until the end, once it listens.
    pub(crate) fn keep(&mut self, mut server: Process) {
        server.wait_listening(PORT, PROGRAM_LIMIT).unwrap();
        self.servers.push(server);
    }

    /// Makes a service of these pods, and waits until the agent has read its rules.
    pub(crate) fn service(&mut self, name: &str, pods: &[Pod]) -> Service {
        let host = u8::try_from(self.services.len()).unwrap() + 20;
        let service = Service {
            endpoints: pods.iter().map(|pod| endpoint(pod.ip())).collect(),
            ..Service::new(NAMESPACE, name, ([10, 96, 0, host], PORT).into())
        };
        self.services.push(service.clone());
        self.fixture.apply_services(&self.services).unwrap();
        service
    }

    /// Ends the servers, which export their last spans.
    pub(crate) fn stop_servers(&mut self) {
        for mut server in self.servers.drain(..) {
            let status = server.terminate(PROGRAM_LIMIT).unwrap();
            assert!(status.success(), "{status}:\n{}", server.log());
        }
    }

    /// Ends agent and viewer. Nothing was lost, and every hook was attached.
    pub(crate) fn finish(self) -> Traces {
        let outcome = self.fixture.finish().unwrap();
        outcome.report().assert_all_attached(&Kernel::running());
        outcome.report().assert_nothing_lost();
        outcome.traces
    }
}

/// The address of a server in the pod with this address.
pub(crate) fn endpoint(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(ip.into(), PORT)
}
