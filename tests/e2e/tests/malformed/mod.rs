//! The programs let every packet pass unchanged, whatever it is, and what they record of it is
//! decodable.
//!
//! The kernel runs the attached programs of an agent on thousands of random and malformed packets
//! (BPF_PROG_TEST_RUN). Such a packet has a socket that no other packet has, so that the state of a
//! connection is reached by `uplink_receive` alone, whose sockets are addresses. Hence the other two
//! tests: malformed packets and streams of real sockets arrive in the lab as they were sent.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod packet;
mod payload;
mod random;
mod test_run;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use hopspan_e2e::{
    DialogueFixture, Fixture, Kernel, Outcome, Step, end, insert_rule, send, shut, until,
};
use hopspan_lab::{NodeOptions, Wiring};
use tracer_pipeline::{
    decode::{Record, decode},
    pipeline::Snapshot,
    recording::Reader,
};

use packet::{ETHERNET_BYTES, forwarded, frame};
use payload::payload;
use random::Random;
use test_run::{Place, programs_of};
use wire::sent_between;

/// What all packets and streams are made from.
const SEED: u64 = 1;
/// Packets that each program is given.
const PACKETS: usize = 6_000;
/// Packets from pod to pod.
const SENT: u16 = 2_000;
/// Connections, and messages of each end of one.
const CONNECTIONS: usize = 40;
const MESSAGES: usize = 6;
/// After so many packets the agent gets time to read their records.
const BATCH: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);
/// Longer than a journey takes to expire.
const EXPIRED: Duration = Duration::from_secs(7);

#[test]
fn every_program_lets_every_packet_pass_unchanged() {
    check_programs("every_program_lets_every_packet_pass_unchanged", &[]);
}

#[test]
fn the_programs_for_old_kernels_let_every_packet_pass_unchanged() {
    check_programs(
        "the_programs_for_old_kernels_let_every_packet_pass_unchanged",
        &["--only-fallbacks"],
    );
}

fn check_programs(label: &str, arguments: &[&str]) {
    if hopspan_lab::skip(label) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("records");
    let record = ["--record", recording.to_str().unwrap()];
    let mut fixture = Fixture::start_with(label, &[&record, arguments].concat()).unwrap();
    let programs = programs_of(fixture.agent().process.pid()).unwrap();
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
    let mut frames = Vec::new();
    for number in 0..PACKETS {
        let (version, frame) = frame(&mut random);
        // The second run finds the socket and the journey of the first.
        let repeat = random.within(1..4) as u32;
        for program in &programs {
            let Some(after) = program.run(version, &frame, repeat) else {
                continue;
            };
            *ran.entry(&program.name).or_default() += 1;
            let passes = match program.place {
                // Of a socket filter 0 is the number of bytes that its own socket keeps.
                Place::SocketFilter => 0,
                Place::Cgroup | Place::Netfilter(_) => 1,
            };
            let name = &program.name;
            assert_eq!(after.value, passes, "{name}, packet {number}: {frame:02x?}");
            if let Some(packet) = after.packet {
                assert!(
                    packet == frame[ETHERNET_BYTES..],
                    "{name} changed packet {number}: {frame:02x?}"
                );
            }
        }
        frames.push(frame);
        if number % BATCH == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    println!("{ran:?}");
    let netfilter = if Kernel::running().has_netfilter_links() {
        10
    } else {
        0
    };
    assert!(ran.len() >= 3 + netfilter, "{ran:?}");
    assert!(ran.values().all(|count| *count > PACKETS / 2), "{ran:?}");
    std::thread::sleep(EXPIRED);
    let outcome = fixture.finish().unwrap();
    assert_decodable(&outcome);
    let entries: Vec<Vec<u8>> = Reader::open(&recording)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_records(&entries, &frames, arguments.is_empty());
}

/// On a raw socket of a pod: its packets pass the cgroup's programs, devices and netfilter, and may have
/// journeys. With the agent arrives what arrives without it.
fn check_wire(label: &str, wiring: Wiring, hops: u8) {
    if hopspan_lab::skip(label) {
        return;
    }
    let options = NodeOptions {
        wiring,
        ..NodeOptions::default()
    };
    let mut fixture = Fixture::without_agents(label, options, 1).unwrap();
    let node = fixture.node().clone();
    // kube-proxy's rules drop what conntrack finds invalid, as most of these packets are.
    insert_rule(&node, "FORWARD -j ACCEPT").unwrap();
    let [from, to] = ["from", "to"].map(|name| node.pod("malformed", name).unwrap());
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let numbers = 1..=SENT;
    let packets: Vec<Vec<u8>> = numbers
        .map(|number| forwarded(&mut random, from.ip(), to.ip(), number))
        .collect();
    let without = sent_between(&from, &to, &packets).unwrap();
    fixture.start_agent(node.cgroup_root(), &[]).unwrap();
    let with = sent_between(&from, &to, &packets).unwrap();
    std::thread::sleep(EXPIRED);
    let outcome = fixture.finish().unwrap();
    assert!(
        without.len() > usize::from(SENT) * 9 / 10,
        "{} arrived",
        without.len()
    );
    for (number, packet) in &without {
        let sent = &packets[usize::from(*number) - 1];
        assert_eq!(*packet, packet::after(sent, hops), "packet {number}");
    }
    assert!(with == without, "another {} arrived", with.len());
    assert_decodable(&outcome);
    let hits = outcome.report().hits();
    assert!(
        hits["cgroup_egress"] > 100 && hits["device_receive"] > 100,
        "{hits:?}"
    );
}

#[test]
fn packets_over_a_bridge_arrive_as_they_were_sent() {
    check_wire(
        "packets_over_a_bridge_arrive_as_they_were_sent",
        Wiring::Bridge,
        0,
    );
}

#[test]
fn packets_over_routes_arrive_as_they_were_sent() {
    check_wire(
        "packets_over_routes_arrive_as_they_were_sent",
        Wiring::Routed,
        1,
    );
}

/// Each end reads exactly what the other has sent, and nothing else.
#[test]
fn malformed_streams_arrive_as_they_were_sent() {
    if hopspan_lab::skip("malformed_streams_arrive_as_they_were_sent") {
        return;
    }
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let dialogues = DialogueFixture::start("streams").unwrap();
    for _ in 0..CONNECTIONS {
        let (mut client, mut server): (Vec<Step>, Vec<Step>) = Default::default();
        for _ in 0..MESSAGES {
            let [request, response] = [(); 2].map(|()| {
                let mut message = payload(&mut random);
                // So that none is empty.
                message.push(b'!');
                message
            });
            client.extend([send(&request), until(&response)]);
            server.extend([until(&request), send(&response)]);
        }
        client.extend([shut(), end()]);
        server.push(end());
        dialogues.play(&server, &client).unwrap();
    }
    let outcome = dialogues.finish_after_close().unwrap();
    assert_decodable(&outcome);
}

/// Checks that the agent could read each record, and send what it made of them.
fn assert_decodable(outcome: &Outcome) {
    let report = outcome.report();
    assert!(report.number(&["pipeline", "records"]) > 0, "{report:?}");
    for path in [["pipeline", "records_refused"], ["export", "failed"]] {
        assert_eq!(report.number(&path), 0, "{path:?}: {report:?}");
    }
}

/// Checks that each record decodes, and that the bytes in it are bytes of one packet, and of nothing
/// behind it.
fn assert_records(entries: &[Vec<u8>], frames: &[Vec<u8>], has_http2: bool) {
    let suffixes = frames
        .iter()
        .flat_map(|frame| (0..frame.len()).map(|at| &frame[at..]));
    let mut suffixes: Vec<&[u8]> = suffixes.collect();
    suffixes.sort_unstable();
    let assert_copied = |bytes: &[u8]| {
        let at = suffixes.partition_point(|suffix| *suffix < bytes);
        let is_of_a_frame = suffixes
            .get(at)
            .is_some_and(|suffix| suffix.starts_with(bytes));
        assert!(is_of_a_frame, "of no packet: {bytes:02x?}");
    };
    let (mut heads, mut fragments, mut journeys) = (0, 0, 0);
    for entry in entries {
        if Snapshot::decode(entry).is_some() {
            continue;
        }
        match decode(entry).unwrap() {
            Record::Head(head) => {
                heads += 1;
                assert_copied(&head.bytes);
            }
            Record::Fragment(fragment) => {
                fragments += 1;
                assert_copied(&fragment.bytes);
            }
            Record::Journey(journey) => {
                journeys += 1;
                assert!(journey.stamps.is_sorted_by_key(|stamp| stamp.at_ns));
            }
            _ => {}
        }
    }
    println!("{heads} heads, {fragments} fragments, {journeys} journeys");
    assert!(heads > 500 && journeys > 500);
    assert_eq!(fragments > 50, has_http2);
}
