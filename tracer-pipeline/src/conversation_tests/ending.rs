//! Runs the pure stages from `flow` to the exchanges over the records of a conversation.

use super::network::{Played, Setting};
use crate::{
    decode::{Close, CloseKind, Record},
    flow::{Flow, Side},
    http::Exchange,
    http2::pairing::Http2Losses,
    pipeline::Exchanges,
};

/// What ends the connection, and is seen of it on the client's node. On the server's node only the
/// server's FIN and close are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// Nothing.
    Unseen,
    /// The client's socket closes.
    Client,
    /// The server's FIN arrives behind everything that was sent.
    ServerFin,
    /// The server's socket closes.
    Server,
}

impl Setting {
    /// Whether a socket of this node shows the end of the connection.
    pub(crate) fn is_end_seen(&self) -> bool {
        match self.end {
            ConnectionEnd::Unseen => false,
            ConnectionEnd::Client => self.seen.has(Side::Client),
            ConnectionEnd::ServerFin => true,
            ConnectionEnd::Server => self.seen.has(Side::Server),
        }
    }
}

/// What comes out of a conversation.
pub(crate) struct Told {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) http2: Http2Losses,
}

impl Told {
    /// Plays the records, then the end of the connection if it has one.
    pub(crate) fn of(played: &Played, setting: &Setting) -> Self {
        let (mut flow, mut stages) = (Flow::default(), Exchanges::default());
        let (mut exchanges, mut events) = (Vec::new(), Vec::new());
        let mut done = |exchange| exchanges.push(exchange);
        for record in played.kernel.records().iter().cloned() {
            let mut add = |event| events.push(event);
            match record {
                Record::Head(head) => stages.head(&head, &mut done),
                Record::Journey(journey) => flow.journey(journey, &mut add),
                Record::Fragment(fragment) => flow.fragment(fragment, &mut add),
                Record::Read(read) => flow.read(read, &mut add),
                _ => {}
            }
            for event in events.drain(..) {
                stages.event(event, &mut done);
            }
        }
        for close in closes(played, setting) {
            flow.close(&close);
        }
        let mut ended = flow.expire(played.end_ns + 1_000_000_000);
        ended.extend(flow.finish());
        for event in ended {
            stages.event(event, &mut done);
        }
        Self {
            exchanges,
            http2: stages.http2.losses(),
        }
    }
}

/// The records of the end.
fn closes(played: &Played, setting: &Setting) -> Vec<Close> {
    let seen = setting.seen;
    let close = |side, what, fin_bytes: u32| Close {
        cookie: seen.cookie(side),
        what,
        at_ns: played.end_ns,
        error: None,
        received_seq: (side == Side::Client)
            .then(|| played.to_client.arrived_seq().wrapping_add(fin_bytes)),
        sent_seq: (side == Side::Server)
            .then(|| played.to_client.sent_seq().wrapping_add(fin_bytes)),
        last_loss_ns: played.kernel.last_loss_ns(),
    };
    match setting.end {
        ConnectionEnd::Client if seen.has(Side::Client) => {
            vec![close(Side::Client, CloseKind::Closed, 0)]
        }
        ConnectionEnd::ServerFin if seen.has(Side::Client) => {
            vec![close(Side::Client, CloseKind::PeerFinished, 1)]
        }
        ConnectionEnd::ServerFin => vec![
            close(Side::Server, CloseKind::Finished, 1),
            close(Side::Server, CloseKind::Closed, 1),
        ],
        ConnectionEnd::Server if seen.has(Side::Server) => {
            vec![close(Side::Server, CloseKind::Closed, 0)]
        }
        _ => Vec::new(),
    }
}
