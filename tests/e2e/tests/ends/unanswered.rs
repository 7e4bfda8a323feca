//! The ways to end the connection of a request that is never answered, and the check of its
//! exchange.

use std::time::Duration;

use hopspan_e2e::{
    Dialogue, DialogueFixture, Parent, Step, Traces, assert_partition, end, hang, pause, reset,
    until,
};

/// Long enough for the other side to read what was sent before.
const READ: Duration = Duration::from_millis(150);
const KILLED: Duration = Duration::from_secs(30);

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    ClientKilled,
    ClientResets,
    ServerKilled,
    ServerCloses,
    ServerResets,
}

impl End {
    pub(crate) const ALL: [Self; 5] = [
        Self::ClientKilled,
        Self::ClientResets,
        Self::ServerKilled,
        Self::ServerCloses,
        Self::ServerResets,
    ];

    /// `error.type` and `hopspan.closed_by` of the exchange.
    pub(crate) fn attributes(self) -> (&'static str, &'static str) {
        match self {
            // The kernel closes the sockets of a process that is killed, as close(2) does.
            Self::ClientKilled => ("connection_closed", "client"),
            Self::ClientResets => ("connection_reset", "client"),
            Self::ServerKilled | Self::ServerCloses => ("connection_closed", "server"),
            Self::ServerResets => ("connection_reset", "server"),
        }
    }

    /// Plays `server` and `client`, which send requests and no answer to the last. Ends the
    /// connection when `request`, the last bytes of the client, have arrived.
    pub(crate) fn play(
        self,
        dialogues: &DialogueFixture,
        mut server: Vec<Step>,
        mut client: Vec<Step>,
        request: impl AsRef<[u8]>,
    ) {
        server.push(until(request));
        let steps = server.len();
        let (server_end, client_end) = match self {
            Self::ClientKilled => (vec![end()], vec![hang()]),
            Self::ClientResets => (vec![end()], vec![pause(READ), reset()]),
            Self::ServerKilled => (vec![hang()], vec![end()]),
            Self::ServerCloses => (vec![pause(READ)], vec![end()]),
            Self::ServerResets => (vec![pause(READ), reset()], vec![end()]),
        };
        server.extend(server_end);
        client.extend(client_end);
        let mut dialogue = dialogues.begin(&server, &client).unwrap();
        if matches!(self, Self::ClientKilled | Self::ServerKilled) {
            dialogue.wait_server(steps).unwrap();
        }
        let Dialogue {
            mut client,
            mut server,
        } = dialogue;
        match self {
            Self::ClientKilled => drop(client.kill().unwrap()),
            Self::ServerKilled => drop(server.kill().unwrap()),
            _ => {}
        }
        for process in [&mut client, &mut server] {
            assert!(
                process.wait(KILLED).unwrap().is_some(),
                "{self:?}: {process:?}"
            );
        }
    }
}

/// Checks that the exchange of this request has no response, and is an error with these attributes,
/// and that its request is complete.
pub(crate) fn assert(traces: &Traces, parent: &Parent, error: &str, closed_by: &str) {
    let (trace, exchange) = (parent.trace(traces), &parent.exchange(traces));
    exchange.assert_attributes(&[
        ("error.type", error),
        ("hopspan.closed_by", closed_by),
        ("hopspan.incomplete", ""),
        ("http.response.status_code", ""),
    ]);
    assert!(exchange.is_error(), "{exchange:#?}");
    assert!(exchange.paths("response").is_empty());
    let request = exchange.path("request");
    request.assert_within(exchange);
    assert_partition(trace, request);
    // The exchange lasts until the end of the connection.
    assert!(exchange.end_ns > request.end_ns, "{exchange:#?}");
}
