//! The tables of clients and servers, one for each protocol. In: how many requests of a pair were
//! right and wrong. Out: text, with the pairs of programs that this machine lacks as skipped.

use std::{
    collections::HashMap,
    io::{self, Write as _},
};

use super::{Protocol, clients::CLIENTS, servers::SERVERS};

/// Right, wrong and skipped requests.
#[derive(Clone, Copy, Default)]
struct Cell([usize; 3]);

/// A pair of programs: protocol, client, server.
pub(super) type Programs = (Protocol, &'static str, &'static str);

/// The cells of the pairs that ran.
pub(super) struct Table(HashMap<Programs, Cell>);

impl Table {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Adds a pair: how many requests it sent, and how many of them are wrong.
    pub(super) fn add(&mut self, programs: Programs, requests: usize, wrong: usize) {
        let cell = Cell([requests.saturating_sub(wrong), wrong, 0]);
        self.0.insert(programs, cell);
    }

    /// Prints it past the test harness, which does not show the output of a test that passes.
    pub(super) fn print(&self) {
        // A closed standard output is no reason to fail the test.
        let _ = writeln!(io::stdout(), "\n{}", self.text());
    }

    fn text(&self) -> String {
        let protocols = [Protocol::Http1, Protocol::Http2, Protocol::Grpc];
        let tables = protocols.map(|protocol| self.of_protocol(protocol));
        tables.join("\n\n")
    }

    fn of_protocol(&self, protocol: Protocol) -> String {
        let mut text = format!("{:<15}", format!("{protocol:?}"));
        let mut total = [0; 3];
        let servers = || {
            SERVERS
                .iter()
                .filter(|server| server.protocol() == protocol)
        };
        for server in servers() {
            text += &format!(" {:>11}", server.name());
        }
        for client in CLIENTS.iter().filter(|client| client.protocol == protocol) {
            text += &format!("\n{:<15}", client.name);
            for server in servers() {
                let programs = (protocol, client.name, server.name());
                let skipped = Cell([0, 0, protocol.requests().len()]);
                let Cell(counts) = self.0.get(&programs).copied().unwrap_or(skipped);
                text += &format!(" {:>11}", counts.map(|count| count.to_string()).join("/"));
                for (sum, count) in total.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
        }
        let [right, wrong, skipped] = total;
        text + &format!(
            "\nrequests (right/wrong/skipped): {right} right, {wrong} wrong, {skipped} skipped"
        )
    }
}
