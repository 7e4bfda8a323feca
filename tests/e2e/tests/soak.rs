//! Load, churn and faults at the same time, for as long as is asked: the agent's memory, descriptors
//! and tables do not grow, its books balance, and nothing that it tells is wrong.
//!
//! `cargo xtask soak` runs this, no other run does.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    env, fs,
    io::{self, Write as _},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{
    Agent, ClientLoad, CollectorState, EchoFixture, EchoOutcome, Flood, number_after,
    wait_for_success,
};
use hopspan_lab::{Process, Signal, kube_proxy::Service};

/// How long, in seconds.
const SECONDS: &str = "HOPSPAN_SOAK_SECONDS";
const TICK: Duration = Duration::from_secs(1);
/// A load of one connection takes a second; the next one opens another.
const REQUESTS_OF_LOAD: u64 = 50;
const LOAD: Duration = Duration::from_secs(60);
/// The requests of the HTTP/2 client, and of pods that vanish: beyond those of HTTP/1.
const FIRST_OF_HTTP2: u64 = 1_000_000_000;
const FIRST_OF_VANISHING: u64 = 2_000_000_000;
const REQUESTS_OF_VANISHING: u64 = 1_000;
const FLOOD: Duration = Duration::from_secs(5);

/// What the agent holds at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Holds {
    /// Resident memory, KiB.
    memory: u64,
    descriptors: u64,
    /// Entries of the kernel programs' maps of sockets and of journeys. The others are LRU maps: they
    /// keep what has ended until its place is needed.
    entries: u64,
}

impl Holds {
    fn of(agent: &mut Agent) -> Self {
        let pid = agent.process.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let metrics = agent.metrics().unwrap();
        Self {
            memory: number_after(&status, "VmRSS:").unwrap(),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
            entries: ["sockets", "journeys"]
                .iter()
                .filter_map(|map| metrics.value(&format!("hopspan_map_entries{{map=\"{map}\"}}")))
                .sum::<f64>() as u64,
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            entries: self.entries.max(other.entries),
        }
    }
}

/// The pods and processes of the soak besides the fixture's.
struct Churn {
    flood: Flood,
    services: Vec<Service>,
    floods: Vec<Process>,
    vanished: u64,
}

impl Churn {
    /// Does what is due in this second.
    fn tick(&mut self, fixture: &mut EchoFixture, second: u64) {
        let node = fixture.node.clone();
        let mut services = vec![fixture.service().clone()];
        let others = usize::try_from(second).unwrap() % self.services.len();
        services.extend(self.services.iter().take(others).cloned());
        node.apply_services(&services).unwrap();
        match second % 30 {
            5 => fixture.collector.set_state(CollectorState::Refuses),
            10 => fixture.collector.set_state(CollectorState::Hangs),
            15 => fixture.collector.set_state(CollectorState::Accepts),
            20 => {
                let kind = FLOODS[usize::try_from(second / 30).unwrap() % FLOODS.len()];
                self.floods.push(self.flood.start(kind, FLOOD).unwrap());
            }
            27 => {
                let agent = &mut fixture.agent.as_mut().unwrap().process;
                agent.signal(Signal::SIGSTOP).unwrap();
                thread::sleep(TICK);
                agent.signal(Signal::SIGCONT).unwrap();
            }
            _ => {}
        }
        if second.is_multiple_of(3) {
            let first = FIRST_OF_VANISHING + self.vanished * REQUESTS_OF_VANISHING;
            let life = Duration::from_millis(150);
            fixture.vanishing_pods(self.vanished, first, life).unwrap();
            self.vanished += 1;
        }
    }
}

const FLOODS: [&str; 4] = ["pipelined", "rapid-reset", "headers", "connections"];

#[test]
fn nothing_grows_and_the_books_balance() {
    let Some(seconds) = seconds("nothing_grows_and_the_books_balance") else {
        return;
    };
    let mut fixture = EchoFixture::start("soak", 2, 2).unwrap();
    let flood = Flood::new(&fixture.node).unwrap();
    fixture.start_default_agent(None).unwrap();
    let service = |number: u8| {
        let address = SocketAddr::from(([10, 96, 1, number], 80));
        Service::new("other", &format!("s{number}"), address)
    };
    let mut churn = Churn {
        flood,
        services: (1..=20).map(service).collect(),
        floods: Vec::new(),
        vanished: 0,
    };
    let mut sent = [0; 2];
    let mut halves = [Holds::default(); 2];
    let mut running = [None, None];
    let begin = Instant::now();
    let mut second = 0;
    while begin.elapsed().as_secs() < seconds {
        for client in 0..2 {
            if running[client].as_mut().is_none_or(has_ended) {
                running[client] = Some(load(&fixture, client, sent[client]));
                sent[client] += REQUESTS_OF_LOAD;
            }
        }
        churn.tick(&mut fixture, second);
        let holds = Holds::of(fixture.agent.as_mut().unwrap());
        let elapsed = begin.elapsed().as_secs();
        // Tables fill and buffers grow in the first fifth.
        if elapsed > seconds / 5 {
            let half = &mut halves[usize::from(elapsed > seconds * 3 / 5)];
            *half = half.max(holds);
        }
        if second.is_multiple_of(30) {
            say(&format!("{elapsed} s: {holds:?}"));
        }
        second += 1;
        thread::sleep(TICK.saturating_sub(begin.elapsed().saturating_sub(TICK * second as u32)));
    }
    for load in running.iter_mut().flatten().chain(&mut churn.floods) {
        wait_for_success(load, LOAD).unwrap();
    }
    churn.flood.end().unwrap();
    fixture.collector.set_state(CollectorState::Accepts);
    let vanished = churn.vanished;
    drop(churn);
    let total = usize::try_from(sent.iter().sum::<u64>()).unwrap();
    let outcome = fixture.finish(total).unwrap();
    say(&format!("{vanished} pairs of pods have vanished"));
    check_flat(halves);
    check_books(&outcome);
    check_exchanges(outcome, sent);
}

/// Starts the next load of a client, the first by HTTP/1 and the second by HTTP/2, after so many
/// requests.
fn load(fixture: &EchoFixture, client: usize, sent: u64) -> Process {
    let (protocol, first) = [("h1", 1), ("h2", FIRST_OF_HTTP2)][client];
    let load = ClientLoad {
        client,
        protocol,
        connections: 1,
        requests: REQUESTS_OF_LOAD,
        rate: 50,
        first: first + sent,
    };
    fixture.load(load).unwrap()
}

fn has_ended(load: &mut Process) -> bool {
    let status = load.exit_status().unwrap();
    assert!(
        status.is_none_or(|status| status.success()),
        "{}",
        load.log()
    );
    status.is_some()
}

/// The duration that is asked for.
fn seconds(test: &str) -> Option<u64> {
    let Some(seconds) = env::var(SECONDS).ok() else {
        hopspan_lab::print_skip(test, "it runs by `cargo xtask soak`");
        return None;
    };
    (!hopspan_lab::skip(test)).then(|| seconds.parse().unwrap())
}

/// Not `println!`: the output of a test that passes is not shown.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Checks that the second half holds what the first one held. Some memory is kept by the allocator.
fn check_flat([first, second]: [Holds; 2]) {
    say(&format!(
        "at most: first half {first:?}, second half {second:?}"
    ));
    assert!(second.memory <= first.memory + first.memory / 10 + (4 << 10));
    assert!(second.descriptors <= first.descriptors + 2);
    assert!(second.entries <= first.entries + first.entries / 10 + 200);
}

/// Checks that each journey and each span is counted once.
fn check_books(outcome: &EchoOutcome) {
    let report = &outcome.report;
    let journeys = |counter: &str| report.number(&["kernel", "journeys", counter]);
    let ends = [
        "closed",
        "left",
        "forwarded",
        "dropped",
        "replaced",
        "mismatched",
    ];
    let ended: u64 = ends.iter().map(|end| journeys(end)).sum();
    let expired = report.number(&["expired"]);
    let [made, sent, failed, dropped] =
        ["made", "sent", "failed", "dropped"].map(|result| report.number(&["export", result]));
    say(&format!(
        "{} journeys opened, {ended} ended, {expired} expired; {made} spans made, {sent} sent, {failed} failed, {dropped} dropped",
        journeys("opened"),
    ));
    assert_eq!(journeys("opened"), ended + expired);
    assert_eq!(made, sent + failed + dropped);
}

/// Checks that no exchange is wrong and that of the quiet clients' requests 99 % are complete.
fn check_exchanges(mut outcome: EchoOutcome, requests: [u64; 2]) {
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| !Flood::has(exchange) && exchange.number() < FIRST_OF_VANISHING);
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    for (protocol, first, requests) in [
        ("HTTP/1", 1, requests[0]),
        ("HTTP/2", FIRST_OF_HTTP2, requests[1]),
    ] {
        let numbers = first..first + requests;
        let right = numbers.filter(|number| judgement.right.contains(number));
        let right = right.count() as u64;
        say(&format!(
            "{protocol}: {right} of {requests} exchanges are complete, none is wrong"
        ));
        assert!(right * 100 >= requests * 99);
    }
}
