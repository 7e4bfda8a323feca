//! A client, a server, and a far pod behind a service of its own, to which the server tries to
//! connect while it serves the client's traced request. The tests cause failures of that connect or
//! of the request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Span, assert_partition, echo_server,
    http1::{HEAD_END, OK, get_traced},
    knock, pause, send, until,
};
use hopspan_lab::{
    NodeOptions, Process,
    fault::Victims,
    kube_proxy::{ProxyMode, Service},
};

/// What pods listen on.
pub(crate) const PORT: u16 = 8080;
/// An address of no pod (RFC 5737).
pub(crate) const UNROUTABLE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// kube-proxy's names of the two services.
pub(crate) const SERVICE: &str = "dialogue/server";
pub(crate) const FAR_SERVICE: &str = "dialogue/far";
/// Modes in which kube-proxy's rules differ.
pub(crate) const MODES: [ProxyMode; 2] = [ProxyMode::Iptables, ProxyMode::Nftables];

/// What is behind the far service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    /// A pod with a server.
    Listens,
    /// A pod in which no process listens.
    Silent,
    /// No endpoint.
    Missing,
    /// A pod with the address [`UNROUTABLE`], to which the test leaves no route.
    Unroutable,
}

/// Pods, services and agent.
pub(crate) struct FaultFixture {
    pub(crate) dialogues: DialogueFixture,
    far: Service,
    _server: Option<Process>,
}

impl FaultFixture {
    pub(crate) fn start(label: &str, proxy_mode: ProxyMode, far: Far) -> Self {
        let options = NodeOptions {
            proxy_mode,
            ..NodeOptions::default()
        };
        let mut dialogues = DialogueFixture::start_on(label, options, &[]).unwrap();
        let pod = dialogues.node().pod("dialogue", "far").unwrap();
        let server = (far == Far::Listens)
            .then(|| echo_server(&pod, (Ipv4Addr::UNSPECIFIED, PORT)).unwrap());
        let mut service = Service::new("dialogue", "far", ([10, 96, 0, 31], 80).into());
        let endpoint = match far {
            Far::Listens | Far::Silent => Some(pod.ip()),
            Far::Unroutable => Some(UNROUTABLE),
            Far::Missing => None,
        };
        let endpoints = endpoint.map(|ip| SocketAddr::new(ip.into(), PORT));
        service.endpoints = endpoints.into_iter().collect();
        dialogues
            .add_services(std::slice::from_ref(&service))
            .unwrap();
        Self {
            dialogues,
            far: service,
            _server: server,
        }
    }

    /// The address of the far service.
    pub(crate) fn far(&self) -> SocketAddr {
        self.far.address()
    }

    /// The connections of the server to the far pod.
    pub(crate) fn connections_to_far(&self) -> Victims {
        Victims::of(&self.dialogues.server, PORT)
    }

    /// The connections of the client to the server.
    pub(crate) fn connections_to_server(&self) -> Victims {
        Victims::of(&self.dialogues.client, PORT)
    }

    /// The client sends a request; the server tries for `patience` to connect to the far service,
    /// fails, and answers.
    pub(crate) fn knock(&self, patience: Duration) -> Parent {
        self.knock_during(patience, Duration::ZERO, || ())
    }

    /// The same, with a fault that is caused after the request has arrived and lasts until the end.
    /// Causing it may take `preparation`.
    pub(crate) fn knock_during<T>(
        &self,
        patience: Duration,
        preparation: Duration,
        cause: impl FnOnce() -> T,
    ) -> Parent {
        let parent = Parent::new();
        let server = [
            until(HEAD_END),
            pause(preparation),
            knock(self.far(), patience),
            send(OK),
        ];
        let client = [send(get_traced("/item", &parent)), until("ok")];
        let mut dialogue = self.dialogues.begin(&server, &client).unwrap();
        dialogue.wait_server(1).unwrap();
        let fault = cause();
        assert!(
            !dialogue.server.log().contains("did step 1\n") || preparation.is_zero(),
            "causing the fault took longer than {preparation:?}"
        );
        dialogue.finish().unwrap();
        drop(fault);
        parent
    }

    /// Ends the agent when it has reported everything; nothing is lost.
    pub(crate) fn finish(self) -> Outcome {
        let outcome = self.dialogues.finish_after_close().unwrap();
        outcome.report().assert_nothing_lost();
        outcome
    }
}

/// The connect that failed while the parent's request was served: beside its spans, within its time,
/// marked as inferred, and with an error.
pub(crate) fn failed_connect<'o>(outcome: &'o Outcome, parent: &Parent) -> &'o Span {
    let trace = parent.trace(&outcome.traces);
    let exchange = &parent.exchange(&outcome.traces);
    assert_eq!(exchange.attribute("http.response.status_code"), "200");
    let failed: Vec<&Span> = trace
        .of_role("connect")
        .filter(|connect| !connect.attribute("error.type").is_empty())
        .collect();
    let [failed] = failed[..] else {
        panic!("{} failed connects: {failed:#?}", failed.len());
    };
    assert_eq!(failed.parent_id, parent.span_id, "{failed:#?}");
    assert!(failed.is_error(), "{failed:#?}");
    failed.assert_attributes(&[("hopspan.correlation", "inferred")]);
    failed.assert_within(exchange);
    failed
}

/// Checks that the last hop of a connect is where it failed.
pub(crate) fn assert_last_hop(outcome: &Outcome, connect: &Span, hop: &str) {
    let trace = &outcome.traces.0[&connect.trace_id];
    let hops = trace.children_of_role(connect, "hop");
    let last = hops.last().unwrap();
    assert_eq!(last.attribute("hopspan.hop"), hop, "{hops:#?}");
    // The socket waits for longer than its packet is under way.
    assert!(last.end_ns <= connect.end_ns, "{connect:#?}");
}

/// Checks that the hops of a span whose packet arrived are all of it.
pub(crate) fn assert_whole(outcome: &Outcome, span: &Span) {
    assert_partition(&outcome.traces.0[&span.trace_id], span);
}
