//! Fifty thousand open connections, and the memory that the agent needs for them.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{collections::BTreeMap, fs, time::Duration};

use hopspan_e2e::{
    Agent, EchoFixture, Metrics, fdinfos, number_after, peak_bytes, wait_for_output,
};
use hopspan_lab::Process;

/// A process may hold no more than 20,000 descriptors where RLIMIT_NOFILE cannot be raised.
const SERVERS: usize = 4;
/// One address has 28,232 ephemeral ports for one destination.
const CLIENTS: usize = 2;
/// Most of them idle, as in a pool.
const HTTP1: Group = Group {
    protocol: "h1",
    connections: 35_000,
    request_every: 5,
    rate: 4_000,
    // An entry in `flow`, and 1.5 KB for the handshake until 3 s after it.
    each_max_bytes: 1024,
};
/// Fewer than the 16,384 connections whose frames the agent decodes. Each carries a request.
const HTTP2: Group = Group {
    protocol: "h2",
    connections: 15_000,
    request_every: 1,
    rate: 1_500,
    // The same, and decoders with the entries of their tables.
    each_max_bytes: 4096,
};
const OPENED: Duration = Duration::from_secs(300);
/// The memory of the spans that wait for the collector, as `export` documents its queue.
const QUEUE_MAX_BYTES: u64 = 40 << 20;

/// Connections of one protocol.
struct Group {
    protocol: &'static str,
    connections: u64,
    /// Of so many connections one carries a request.
    request_every: u64,
    /// Connections opened a second.
    rate: u64,
    /// The resident memory that the agent may need for a connection, in bytes, with all that grows
    /// with connections: tables, decoders, what the allocator keeps.
    each_max_bytes: u64,
}

impl Group {
    fn requests(&self) -> u64 {
        self.connections / self.request_every
    }

    /// Opens all connections, an equal share from each client. Requests are numbered from `first`
    /// on.
    fn open(&self, fixture: &EchoFixture, first: u64) -> Vec<Process> {
        let clients = CLIENTS as u64;
        let mut programs: Vec<Process> = (0..clients)
            .map(|client| {
                let arguments = format!(
                    "open --protocol {} --connections {} --request-every {} --rate {} --first {}",
                    self.protocol,
                    self.connections / clients,
                    self.request_every,
                    self.rate / clients,
                    first + client * self.requests() / clients,
                );
                let client = usize::try_from(client).unwrap();
                fixture.client(client, &arguments).unwrap().spawn().unwrap()
            })
            .collect();
        for program in &mut programs {
            wait_for_output(program, "opened ", OPENED).unwrap();
        }
        programs
    }
}

/// The bytes that the kernel charges for each of a process's maps, by map id.
fn map_bytes(pid: u32) -> BTreeMap<u64, u64> {
    fdinfos(pid)
        .iter()
        .filter_map(|text| {
            Some((
                number_after(text, "map_id:")?,
                number_after(text, "memlock:")?,
            ))
        })
        .collect()
}

/// Checks that the metrics count the connections in the programs' maps and in the agent's tables.
fn assert_occupancy(agent: &mut Agent) {
    let (all, http2) = (HTTP1.connections + HTTP2.connections, HTTP2.connections);
    let expected = [
        // Beyond half of the table, connections that have been idle for long are forgotten.
        ("hopspan_table_entries{table=\"connections\"}", http2),
        ("hopspan_table_entries{table=\"http2_connections\"}", http2),
        // Both ends of each; of so many, some have taken the slots of others.
        ("hopspan_map_entries{map=\"sockets\"}", all * 3 / 2),
        ("hopspan_map_entries{map=\"frame_cursors\"}", http2 * 2),
    ];
    let is_full = |metrics: &Metrics| {
        let mut expected = expected.iter();
        expected.all(|(sample, entries)| metrics.value(sample) >= Some(*entries as f64))
    };
    let state = "at the tables of all connections";
    agent.wait_for_metrics(state, is_full).unwrap();
    let took = counting_time(agent.process.pid());
    println!("counting the maps took {took:?} since the start");
}

/// The time on a processor of the thread that counts, since the agent's start (kernel: schedstat).
fn counting_time(pid: u32) -> Option<Duration> {
    let mut threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let thread = threads.find_map(|thread| {
        let path = thread.ok()?.path();
        (fs::read_to_string(path.join("comm")).ok()?.trim() == "maps").then_some(path)
    })?;
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

#[test]
fn fifty_thousand_connections() {
    if hopspan_lab::skip("fifty_thousand_connections") {
        return;
    }
    let mut fixture = EchoFixture::start("connections", SERVERS, CLIENTS).unwrap();
    fixture.start_agent().unwrap();
    let pid = fixture.agent.as_ref().unwrap().process.pid();
    let maps = map_bytes(pid);
    let (mut programs, mut requests, mut allowed) = (Vec::new(), 0, QUEUE_MAX_BYTES);
    let before = peak_bytes(pid).unwrap();
    for group in [&HTTP1, &HTTP2] {
        let from = peak_bytes(pid).unwrap();
        programs.extend(group.open(&fixture, requests + 1));
        requests += group.requests();
        allowed += group.connections * group.each_max_bytes;
        let peak = peak_bytes(pid).unwrap();
        println!(
            "{} connections of {}: {} bytes each; at most {peak} in all",
            group.connections,
            group.protocol,
            (peak - from) / group.connections
        );
        assert!(
            peak < before + allowed,
            "{} connections of {}: {before} bytes before, {peak} now",
            group.connections,
            group.protocol
        );
    }
    println!("maps: {} bytes", maps.values().sum::<u64>());
    // The kernel's maps do not grow.
    assert_eq!(map_bytes(pid), maps);
    assert_occupancy(fixture.agent.as_mut().unwrap());

    let expected = usize::try_from(requests).unwrap();
    let outcome = fixture.finish(expected).unwrap();
    drop(programs);
    outcome.report.assert_nothing_lost();
    for path in [
        ["pipeline", "flow", "connections_refused"],
        ["pipeline", "http", "heads_refused"],
        ["pipeline", "http2", "fragments_refused"],
        ["pipeline", "http2", "connections_restarted"],
    ] {
        assert_eq!(outcome.report.number(&path), 0, "{path:?}");
    }
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong.first());
    assert_eq!(judgement.right.len(), expected);
}
