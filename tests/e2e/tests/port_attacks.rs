//! A hostile pod and a hostile process of the node attack the agent's HTTP port. The agent answers
//! within a second where its probes go, and neither its memory nor its descriptors grow.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{AGENT_PORT, Fixture};

/// How long each attack lasts.
const ATTACK: Duration = Duration::from_secs(4);
/// How long a probe may take; a kubelet waits for a second by default.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// Connections of the attacks that hold them: far more than the soft limit of descriptors is
/// elsewhere.
const HELD: usize = 2000;
/// How much the agent's memory may grow.
const GROWTH_BYTES: u64 = 24 << 20;
/// The connections that the agent keeps or is closing, and what it opens for itself meanwhile.
const GROWTH_DESCRIPTORS: usize = 128 + 32;
const READ_LIMIT: Duration = Duration::from_millis(20);

/// Attacks a port until the flag is set.
type Attack = fn(SocketAddr, &AtomicBool);

/// Repeats `step` until the attack is over.
fn repeat(over: &AtomicBool, mut step: impl FnMut()) {
    while !over.load(Ordering::Relaxed) {
        step();
    }
}

/// A connection that fails, as a hostile client's may, is left out.
fn connect(port: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&port, PROBE_LIMIT).ok()?;
    stream.set_write_timeout(Some(READ_LIMIT)).ok()?;
    stream.set_read_timeout(Some(READ_LIMIT)).ok()?;
    Some(stream)
}

/// Opens connections and sends nothing.
fn idle(port: SocketAddr, over: &AtomicBool) {
    let mut held = Vec::new();
    repeat(over, || match held.len() {
        HELD.. => thread::sleep(READ_LIMIT),
        _ => held.extend(connect(port)),
    });
}

/// Opens connections and never ends the head of a request.
fn slow_heads(port: SocketAddr, over: &AtomicBool) {
    let mut held = Vec::new();
    let mut next = 0;
    repeat(over, || {
        if held.len() < HELD {
            held.extend(connect(port));
        }
        next += 1;
        let count = held.len().max(1);
        if let Some(stream) = held.get_mut(next % count) {
            let head = b"GET /readyz HTTP/1.1\r\nhost: a\r\nx-padding: ";
            let _ = stream.write(head).and_then(|_| stream.write(&[b'a'; 8000]));
        }
    });
}

/// Sends a head without an end on each connection, as fast as possible.
fn huge_heads(port: SocketAddr, over: &AtomicBool) {
    repeat(over, || {
        if let Some(mut stream) = connect(port) {
            let _ = stream.write(b"GET /readyz HTTP/1.1\r\nx-padding: ");
            while !over.load(Ordering::Relaxed) && stream.write(&[b'a'; 64 << 10]).is_ok() {}
        }
    });
}

/// Asks for the metrics as often as possible and reads no answer.
fn unread_answers(port: SocketAddr, over: &AtomicBool) {
    let mut held = Vec::new();
    repeat(over, || {
        if let Some(mut stream) = connect(port) {
            let requests = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
            let _ = stream.write(requests.as_bytes());
            held.push(stream);
        }
        if held.len() > HELD {
            held.clear();
        }
    });
}

/// Opens and closes connections as fast as possible.
fn churn(port: SocketAddr, over: &AtomicBool) {
    repeat(over, || drop(connect(port)));
}

/// Asks as a kubelet does: a connection for each request. Returns how long the answer took.
fn probe(port: SocketAddr, path: &str) -> Result<Duration, String> {
    let started = Instant::now();
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&port, PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match answer() {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => Ok(started.elapsed()),
        Ok(answer) => Err(format!("{path}: {answer:?}")),
        Err(error) => Err(format!("{path}: {error} after {:?}", started.elapsed())),
    }
}

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn attacks_on_the_port_reach_neither_probes_nor_memory() {
    if hopspan_lab::skip("attacks_on_the_port_reach_neither_probes_nor_memory") {
        return;
    }
    let arguments = ["--listen", "9464", "--listen", "127.0.0.1:9465"];
    let mut fixture = Fixture::start_with("port-attacks", &arguments).unwrap();
    let node = fixture.node().clone();
    let pod = node.pod("hostile", "client").unwrap();
    let pid = fixture.agent().process.pid();
    let loopback = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let attacked = SocketAddr::new(IpAddr::V4(node.ip()), AGENT_PORT);
    let (memory, open) = (resident_bytes(pid), descriptors(pid));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let [soft, hard] = [3, 4].map(|column| files.unwrap().split_whitespace().nth(column).unwrap());
    assert_eq!(soft, hard, "{limits}");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let [soft, hard] = [4, 5].map(|column| core.unwrap().split_whitespace().nth(column).unwrap());
    assert_eq!([soft, hard], ["0"; 2], "{limits}");
    let attacks: [(&str, Attack); 5] = [
        ("idle", idle),
        ("slow heads", slow_heads),
        ("huge heads", huge_heads),
        ("unread answers", unread_answers),
        ("churn", churn),
    ];
    for (name, attack) in attacks {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| pod.within(|| attack(attacked, &over)).unwrap());
            scope.spawn(|| node.within(|| attack(loopback(AGENT_PORT), &over)).unwrap());
            let end = Instant::now() + ATTACK;
            let mut slowest = Duration::ZERO;
            let (mut most_bytes, mut most_open, mut refused, mut rounds) = (0, 0, 0, 0);
            let mut failed = Vec::new();
            while Instant::now() < end {
                thread::sleep(PROBE_PAUSE);
                // The listener of the probes is not attacked. The attacked one may refuse a
                // client while its queue in the kernel is full.
                for (port, path) in [(9465, "/healthz"), (9465, "/readyz"), (9465, "/metrics")] {
                    let took = node.within(|| probe(loopback(port), path)).unwrap();
                    match took {
                        Ok(took) => slowest = slowest.max(took),
                        Err(error) => failed.push(error),
                    }
                }
                if node.within(|| probe(attacked, "/readyz")).unwrap().is_err() {
                    refused += 1;
                }
                most_bytes = most_bytes.max(resident_bytes(pid));
                most_open = most_open.max(descriptors(pid));
                rounds += 1;
            }
            over.store(true, Ordering::Relaxed);
            let after = Instant::now() + PROBE_LIMIT;
            while let Err(error) = node.within(|| probe(attacked, "/readyz")).unwrap() {
                assert!(Instant::now() < after, "{name}: after the attack {error}");
            }
            println!(
                "{name}: {rounds} rounds of probes, slowest {slowest:?}, refused at the attacked port {refused}, memory +{} KiB, descriptors +{}",
                most_bytes.saturating_sub(memory) >> 10,
                most_open.saturating_sub(open)
            );
            assert_eq!(failed, Vec::<String>::new(), "{name}");
            assert!(slowest < PROBE_LIMIT, "{name}: a probe took {slowest:?}");
            assert!(
                most_bytes < memory + GROWTH_BYTES,
                "{name}: {most_bytes} bytes"
            );
            assert!(
                most_open < open + GROWTH_DESCRIPTORS,
                "{name}: {most_open} open"
            );
        });
    }
    fixture.finish().unwrap();
}

#[test]
fn metrics_are_for_clients_with_the_token() {
    if hopspan_lab::skip("metrics_are_for_clients_with_the_token") {
        return;
    }
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "secret\n").unwrap();
    let path = token.path().to_str().unwrap();
    let fixture = Fixture::start_with("port-token", &["--metrics-token", path]).unwrap();
    let ask = |path: &str, header: &str| {
        let node = fixture.node();
        let answer = node.within(|| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, AGENT_PORT)).unwrap();
            let head =
                format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{header}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        (status, answer.contains("hopspan_ready"))
    };
    assert_eq!(ask("/healthz", ""), (200, false));
    assert_eq!(ask("/readyz", ""), (200, false));
    assert_eq!(ask("/metrics", ""), (401, false));
    assert_eq!(
        ask("/metrics", "authorization: Bearer wrong\r\n"),
        (401, false)
    );
    assert_eq!(
        ask("/metrics", "authorization: Bearer secret\r\n"),
        (200, true)
    );
    fixture.finish().unwrap();
}
