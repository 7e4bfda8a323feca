//! Pods whose processes serve and connect, services without endpoints, and the agent.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{
    DialogueFixture, Outcome, RunsPrograms, Span, Step, Trace, Traces, echo, play_client,
    play_server,
};
use hopspan_lab::{Process, kube_proxy::Service};

/// The time limit of connects that fail earlier, on a slow machine too.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Pods, agent and services.
pub(crate) struct FailedConnectFixture {
    pub(crate) dialogues: DialogueFixture,
    /// Services without endpoints: of either family, and one more.
    pub(crate) closed: [SocketAddr; 3],
}

impl FailedConnectFixture {
    pub(crate) fn start(label: &str) -> Self {
        let mut dialogues = DialogueFixture::start(label).unwrap();
        let closed = [
            SocketAddr::from(([10, 96, 0, 40], 80)),
            "[fd00:10:96::40]:80".parse().unwrap(),
            SocketAddr::from(([10, 96, 0, 42], 80)),
        ];
        let names = ["closed", "closed", "closed-too"];
        let services = names.into_iter().zip(closed);
        let services: Vec<Service> = services
            .map(|(name, address)| Service::new("failed", name, address))
            .collect();
        dialogues.add_services(&services).unwrap();
        Self { dialogues, closed }
    }

    /// An address of the server's pod. Only [`Self::serve`] listens there.
    pub(crate) fn server(&self, port: u16) -> SocketAddr {
        (self.dialogues.server.ip(), port).into()
    }

    /// Starts a process of the server's pod that takes one connection.
    pub(crate) fn serve(&self, port: u16, steps: &[Step]) -> Process {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        play_server(&self.dialogues.server, address, steps).unwrap()
    }

    /// Starts a client of that process.
    pub(crate) fn connect(&self, port: u16, steps: &[Step]) -> Process {
        play_client(&self.dialogues.client, self.server(port), steps).unwrap()
    }

    /// Ends the agent when it has reported everything; nothing is lost.
    pub(crate) fn finish(self) -> Outcome {
        let outcome = self.dialogues.finish_after_close().unwrap();
        outcome.report().assert_nothing_lost();
        outcome
    }
}

/// Runs a process that tries to connect, and fails or gives up after `patience`.
pub(crate) fn knock_from(place: &dyn RunsPrograms, address: SocketAddr, patience: Duration) {
    echo(place)
        .unwrap()
        .args(["knock", &address.to_string()])
        .args(["--patience", &patience.as_millis().to_string()])
        .run(2 * LONG)
        .unwrap();
}

/// The only failed connect to this address, and its trace.
pub(crate) fn failed(traces: &Traces, address: SocketAddr) -> (&Trace, &Span) {
    let all = traces.0.values().flat_map(|trace| {
        let connects = trace.of_role("connect").map(move |span| (trace, span));
        connects.filter(|(_, span)| {
            !span.attribute("error.type").is_empty()
                && span.attribute("destination.address") == address.ip().to_string()
                && span.attribute("destination.port") == address.port().to_string()
        })
    });
    let all: Vec<_> = all.collect();
    let [(trace, connect)] = all[..] else {
        panic!("{} failed connects to {address}: {all:#?}", all.len());
    };
    assert_eq!(connect.name, "connect");
    assert!(connect.is_error(), "{connect:#?}");
    (trace, connect)
}
