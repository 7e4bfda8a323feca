//! The ground and an agent that follows every socket on it. In: cases. Out: what the sockets say of each request, and at the
//! end the spans, of which none was lost.

use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
};

use hopspan_e2e::{Answer, Kernel, Prelude, Scene, Traces};
use hopspan_lab::kube_proxy::Family;

use crate::case::Case;
use crate::fixture::{DEADLINE, Ground, Load, ip_of};

/// Connections of a case, and requests on all of them: the first on each finds it new, the second finds it open.
const CONNECTIONS: u64 = 2;
const REQUESTS: u64 = 4;

pub(crate) struct Stage {
    pub(crate) ground: Ground,
    pub(crate) scene: Scene,
    next: u64,
}

impl Stage {
    /// Attaches the agent, which follows its own node. The host is another machine: of its exchanges the node has the
    /// server's half.
    pub(crate) fn attach(prelude: Prelude, ground: Ground) -> Self {
        let cgroup = prelude.node.cgroup_root().to_owned();
        let mut scene = prelude.attach(&cgroup, &[]).unwrap();
        scene.wait_logged("kube-proxy's rules name").unwrap();
        Self {
            ground,
            scene,
            next: 1,
        }
    }

    /// Sends a case's requests, one connection after the other.
    pub(crate) fn run(&mut self, case: &Case) -> Vec<Answer> {
        let record = self.scene.work_dir().join(format!("record-{}", self.next));
        let command = self.ground.load(&Load {
            client: case.client,
            address: case.address,
            connections: CONNECTIONS,
            requests: REQUESTS,
            first: self.next,
            record: &record,
        });
        self.next += REQUESTS;
        command
            .run(DEADLINE)
            .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        let answers = Answer::read(&record).unwrap();
        assert_eq!(answers.len() as u64, REQUESTS, "{}", case.name);
        fs::remove_file(record).unwrap();
        answers
    }

    /// A question over UDP to a service that shares its address with one of TCP: it is translated, and no exchange.
    pub(crate) fn send_udp(&self) {
        let Ground {
            client, servers, ..
        } = &self.ground;
        // One socket for both families: the port of a first one may be taken for as long as a process that another
        // test is starting holds a copy of it.
        let bind = |port| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port));
        let served = servers[1].within(|| bind(5353)).unwrap().unwrap();
        served.set_read_timeout(Some(DEADLINE)).unwrap();
        for family in Family::ALL {
            let any: IpAddr = match family {
                Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let asking = client
                .within(|| UdpSocket::bind((any, 0)))
                .unwrap()
                .unwrap();
            let dns = SocketAddr::new(self.ground.service("both", family).cluster_ip, 53);
            asking.send_to(b"GET / HTTP/1.1\r\n\r\n", dns).unwrap();
            let (_, from) = served.recv_from(&mut [0; 64]).unwrap();
            assert_eq!(from.ip().to_canonical(), ip_of(client, family));
        }
    }

    /// Connections to a service without endpoints are refused.
    pub(crate) fn connect_to_nobody(&self) {
        for family in Family::ALL {
            let address = self.ground.service("empty", family).address();
            let connect = || TcpStream::connect_timeout(&address, DEADLINE);
            let error = self.ground.client.within(connect).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        }
    }

    /// Ends everything. What the agent had to see is seen: nothing was lost, every hook attached.
    pub(crate) fn finish(mut self) -> Traces {
        self.ground.end();
        let outcome = self.scene.finish().unwrap();
        outcome.report.assert_all_attached(&Kernel::running());
        outcome.report.assert_nothing_lost();
        outcome.traces
    }
}
