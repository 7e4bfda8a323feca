//! Fifty thousand open connections, and the memory that they cost the agent.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use hopspan_e2e::EchoScene;

/// Of two clients, because one address has 28,232 ephemeral ports for one destination.
const CLIENTS: [[Group; 2]; 2] = [
    [Group::of("h1", 20_000, 1), Group::of("h2", 5_000, 20_001)],
    [
        Group::of("h1", 20_000, 30_001),
        Group::of("h2", 5_000, 50_001),
    ],
];
/// One connection of so many carries a request, the others stay idle.
const REQUEST_EVERY: u64 = 5;
/// Connections opened a second, by each of the four programs.
const RATE: u32 = 500;
const OPENED: Duration = Duration::from_secs(120);

/// What a connection may cost the agent, in bytes of its resident memory, with everything that
/// goes up with connections: tables, decoders, what the allocator keeps. The spans that wait for
/// the collector have a bound of their own.
const CONNECTION_MAX_BYTES: u64 = 2048;
/// As `export` documents its queue.
const QUEUE_MAX_BYTES: u64 = 40 << 20;

/// Connections of one program.
struct Group {
    protocol: &'static str,
    connections: u64,
    first: u64,
}

impl Group {
    const fn of(protocol: &'static str, connections: u64, first: u64) -> Self {
        Self {
            protocol,
            connections,
            first,
        }
    }
}

/// VmRSS of proc(5), in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// What the kernel charges for each of a process's maps, in bytes, by map id.
fn map_bytes(pid: u32) -> BTreeMap<u64, u64> {
    let number = |text: &str, key: &str| -> Option<u64> {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    };
    fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter_map(|text| Some((number(&text, "map_id:")?, number(&text, "memlock:")?)))
        .collect()
}

#[test]
fn fifty_thousand_connections() {
    if hopspan_lab::skip("fifty_thousand_connections") {
        return;
    }
    let mut scene = EchoScene::start("connections", CLIENTS.len()).unwrap();
    scene.start_agent().unwrap();
    let pid = scene.agent.as_ref().unwrap().pid();
    let (before, maps_before) = (resident_bytes(pid), map_bytes(pid));

    let mut programs = Vec::new();
    for (client, group) in (0..)
        .zip(&CLIENTS)
        .flat_map(|(client, groups)| groups.iter().map(move |group| (client, group)))
    {
        let arguments = format!(
            "open --protocol {} --connections {} --first {} --request-every {REQUEST_EVERY} --rate {RATE}",
            group.protocol, group.connections, group.first
        );
        let program = scene.client(client, &arguments).unwrap().spawn().unwrap();
        programs.push(program);
    }
    let deadline = Instant::now() + OPENED;
    let mut highest = before;
    for program in &mut programs {
        while !program.log().contains("opened ") {
            let ended = program.exit_status().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not all are open: {}",
                program.log()
            );
            highest = highest.max(resident_bytes(pid));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let connections: u64 = CLIENTS
        .iter()
        .flatten()
        .map(|group| group.connections)
        .sum();
    assert_eq!(connections, 50_000);
    let expected = usize::try_from(connections / REQUEST_EVERY).unwrap();
    while scene.collector.exchanges() < expected && Instant::now() < deadline {
        highest = highest.max(resident_bytes(pid));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (after, maps_after) = (resident_bytes(pid), map_bytes(pid));
    highest = highest.max(after);
    println!(
        "resident: {before} bytes before, {highest} at most, {after} with {connections} \
         connections: {} each; maps {} bytes: {maps_after:?}",
        after.saturating_sub(before) / connections,
        maps_after.values().sum::<u64>(),
    );

    let outcome = scene.finish(expected).unwrap();
    drop(programs);
    println!("{:?}", outcome.report);
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
    assert!(
        highest - before < connections * CONNECTION_MAX_BYTES + QUEUE_MAX_BYTES,
        "{before} bytes before, {highest} at most"
    );
    // The kernel's maps have their size from the start.
    assert_eq!(maps_after, maps_before);
}
