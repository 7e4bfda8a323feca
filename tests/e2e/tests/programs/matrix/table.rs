//! The table of clients and servers. In: how many requests of a pair were right and wrong. Out:
//! text, with the pairs of programs that this machine lacks as skipped.

use std::{
    collections::HashMap,
    io::{self, Write as _},
};

use super::{clients::CLIENTS, plan::REQUESTS, servers::SERVERS};

/// Right, wrong and skipped requests.
#[derive(Clone, Copy, Default)]
struct Cell([usize; 3]);

/// The cells of the pairs that ran, by client and server.
pub(super) struct Table(HashMap<(&'static str, &'static str), Cell>);

impl Table {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Adds a pair: how many requests it sent, and how many of them are wrong.
    pub(super) fn add(
        &mut self,
        client: &'static str,
        server: &'static str,
        requests: usize,
        wrong: usize,
    ) {
        let cell = Cell([requests.saturating_sub(wrong), wrong, 0]);
        self.0.insert((client, server), cell);
    }

    /// Prints it past the test harness, which does not show the output of a test that passes.
    pub(super) fn print(&self) {
        // A closed standard output is no reason to fail the test.
        let _ = writeln!(io::stdout(), "\n{}", self.text());
    }

    fn text(&self) -> String {
        let mut text = format!("{:<15}", "");
        let mut total = [0; 3];
        for server in &SERVERS {
            text += &format!(" {:>11}", server.name());
        }
        for client in &CLIENTS {
            text += &format!("\n{:<15}", client.name);
            for server in &SERVERS {
                let pair = (client.name, server.name());
                let skipped = Cell([0, 0, REQUESTS.len()]);
                let Cell(counts) = self.0.get(&pair).copied().unwrap_or(skipped);
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
