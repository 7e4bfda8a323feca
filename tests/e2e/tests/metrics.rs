//! The HTTP port of a running agent: its health, and metrics that balance, also during a load:
//! opened journeys = ended + under way.
//!
//! Prometheus' own parser of OpenMetrics, in Python, reads the text. It refuses what breaks
//! the format: a counter without `_total`, a repeated family, a missing end.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{AGENT_PORT, Fixture, Kernel, binary, held_ids, python};
use hopspan_lab::{HttpClient, Lab};
use tracer_common::hook::Hook;

const DEADLINE: Duration = Duration::from_secs(60);
/// Longer than the time after which a journey expires, and than the age of published metrics.
const SETTLED: Duration = Duration::from_secs(15);
/// The module of Python that has the parser.
const MODULE: &str = "prometheus_client.openmetrics.parser";
/// Reads texts one after the other, each to its end. Prints a line of dashes for each, then a line
/// for each sample: name, labels in the order of their names, and value.
const PARSER: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
END = '# EOF' + chr(10)
*texts, rest = sys.stdin.read().split(END)
assert not rest, rest
for text in texts:
    print('---')
    for family in text_string_to_metric_families(text + END):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            print(f"{sample.name}{{{labels}}}", sample.value)
"#;

/// The agent's metrics as text.
fn scrape(http: &mut HttpClient) -> String {
    let response = http.get("/metrics").unwrap();
    assert_eq!(response.status, 200);
    let content_type = response.content_type;
    assert!(
        content_type.contains("application/openmetrics-text"),
        "{content_type}"
    );
    response.body
}

/// The samples of one scrape, by `name{label=value}`.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn take(http: &mut HttpClient, python: &Path) -> Self {
        Self::parse(python, &[scrape(http)]).remove(0)
    }

    fn parse(python: &Path, texts: &[String]) -> Vec<Self> {
        let mut parser = Command::new(python)
            .args(["-c", PARSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = parser.stdin.take().unwrap();
        stdin.write_all(texts.concat().as_bytes()).unwrap();
        drop(stdin);
        let output = parser.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "the parser refuses one of {texts:?}"
        );
        let samples = String::from_utf8(output.stdout).unwrap();
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        let scrape = |lines: &str| Self(lines.lines().map(sample).collect());
        let scrapes: Vec<Self> = samples.split("---\n").skip(1).map(scrape).collect();
        assert_eq!(scrapes.len(), texts.len());
        scrapes
    }

    fn get(&self, name: &str) -> f64 {
        let value = self.0.get(name);
        *value.unwrap_or_else(|| panic!("no {name} in {:#?}", self.0))
    }

    fn sum(&self, family: &str) -> f64 {
        let of_family = |name: &str| name.split('{').next() == Some(family);
        let samples = self.0.iter().filter(|(name, _)| of_family(name));
        samples.map(|(_, value)| value).sum()
    }

    fn opened(&self) -> f64 {
        self.get("hopspan_journeys_opened_total{}")
    }

    /// Journeys that have ended, for any reason.
    fn ended(&self) -> f64 {
        self.get("hopspan_journeys_closed_total{}")
            + self.get("hopspan_journeys_left_total{}")
            + self.get("hopspan_journeys_forwarded_total{}")
            + self.get("hopspan_journeys_dropped_total{}")
            + self.sum("hopspan_journeys_out_of_sight_total")
    }

    fn under_way(&self) -> f64 {
        self.get("hopspan_journeys_under_way{}")
    }

    /// Checks that no counter is lower than in `earlier`.
    fn assert_not_before(&self, earlier: &Self) {
        let counters = earlier.0.iter().filter(|(name, _)| {
            let family = name.split('{').next().unwrap_or_default();
            family.ends_with("_total")
        });
        for (name, value) in counters {
            assert!(self.get(name) >= *value, "{name} is lower than {value}");
        }
    }
}

/// Runs `work` and scrapes until it returns. Returns its result and the scrapes.
fn while_scraping<T: Send>(
    http: &mut HttpClient,
    python: &Path,
    work: impl FnOnce() -> T + Send,
) -> (T, Vec<Scrape>) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut texts = Vec::new();
            while !over.load(Ordering::Relaxed) {
                texts.push(scrape(http));
                thread::sleep(Duration::from_millis(20));
            }
            texts
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        let texts = scraper.join().unwrap();
        (result, Scrape::parse(python, &texts))
    })
}

/// Waits until all journeys have ended and all spans are sent.
fn wait_until_settled(http: &mut HttpClient, python: &Path) -> Scrape {
    let end = Instant::now() + SETTLED;
    loop {
        let scrape = Scrape::take(http, python);
        let sent = scrape.get("hopspan_spans_total{result=sent}");
        let made = scrape.get("hopspan_pipeline_total{what=spans}");
        let quiet = scrape.under_way() == 0.0 && scrape.opened() == scrape.ended() && sent == made;
        if quiet || Instant::now() > end {
            return scrape;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_books_balance_at_every_scrape() {
    let Some(python) = python("the_books_balance_at_every_scrape", MODULE) else {
        return;
    };
    let mut fixture = Fixture::start("metrics").unwrap();
    let mut http = HttpClient::connect(fixture.node(), AGENT_PORT).unwrap();
    let health = http.get("/healthz").unwrap();
    assert_eq!((health.status, &*health.body), (200, "ok\n"));
    let ready = http.get("/readyz").unwrap();
    assert_eq!((ready.status, ready.body.lines().next()), (200, Some("ok")));
    assert_eq!(http.get("/nothing").unwrap().status, 404);

    let hotrod = fixture.hotrod().unwrap();
    let (dispatches, scrapes) =
        while_scraping(&mut http, &python, || hotrod.dispatch(100, 4).unwrap());
    assert_eq!(dispatches.len(), 100);
    assert!(scrapes.len() > 5, "{} scrapes", scrapes.len());
    println!("{} scrapes during the load", scrapes.len());
    for pair in scrapes.windows(2) {
        pair[1].assert_not_before(&pair[0]);
    }
    for scrape in &scrapes {
        assert!(
            scrape.opened() >= scrape.ended(),
            "more journeys ended than began: {:#?}",
            scrape.0
        );
    }

    let last = wait_until_settled(&mut http, &python);
    last.assert_not_before(scrapes.last().unwrap());
    assert_eq!(
        last.opened(),
        last.ended() + last.under_way(),
        "{:#?}",
        last.0
    );
    // Each dispatch is 13 exchanges: the one from outside, and twelve between pods.
    assert!(last.opened() > 100.0 * 13.0 * 2.0, "{:#?}", last.0);
    assert_eq!(
        last.get("hopspan_pipeline_total{what=spans}"),
        last.get("hopspan_spans_total{result=sent}"),
        "{:#?}",
        last.0
    );
    assert_eq!(last.sum("hopspan_records_lost_total"), 0.0);
    assert!(last.get("hopspan_journeys_max{}") > 0.0);
    assert!(last.get("process_resident_memory_bytes{}") > 1e6);
    assert!(last.get("hopspan_loop_age_seconds{}") < 5.0);
    let lacks = Kernel::running().lacks();
    let attached = last.sum("hopspan_hook_attached");
    assert_eq!(
        attached,
        (Hook::ALL.len() - lacks.len()) as f64,
        "{:#?}",
        last.0
    );

    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    // The report at the end counts the same things.
    let opened = outcome.report().number(&["kernel", "journeys", "opened"]);
    assert!(opened as f64 >= last.opened());
    outcome.report().assert_nothing_lost();
}

#[test]
fn a_taken_port_is_tried_again_and_off_opens_none() {
    if hopspan_lab::skip("a_taken_port_is_tried_again_and_off_opens_none") {
        return;
    }
    let lab = Lab::new("listen").unwrap();
    let node = lab.node("node").unwrap();
    let agent = |listen: &str| {
        node.command(binary("hopspan").unwrap())
            .args(["run", "--no-kubernetes", "--listen", listen, "--cgroup"])
            .arg(node.cgroup_root())
    };
    let mut off = agent("off").spawn().unwrap();
    wait_until_attached(off.pid());
    let connected = node.within(|| TcpStream::connect((Ipv4Addr::LOCALHOST, AGENT_PORT)));
    assert!(
        connected.unwrap().is_err(),
        "a port is open though it is off"
    );
    assert!(off.terminate(DEADLINE).unwrap().success(), "{}", off.log());

    let taken = node.within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 4318)));
    let taken = taken.unwrap().unwrap();
    let mut waiting = agent("4318").spawn().unwrap();
    wait_until_attached(waiting.pid());
    let warning = "port 4318 for health and metrics is taken";
    assert!(waiting.log().contains(warning), "{}", waiting.log());
    drop(taken);
    waiting.wait_listening(4318, DEADLINE).unwrap();
    assert!(waiting.terminate(DEADLINE).unwrap().success());

    let output = agent("192.0.2.1:4318").output(DEADLINE).unwrap();
    assert!(!output.status.success());
    let error =
        "listen on 192.0.2.1:4318 for health and metrics: choose another place with --listen";
    assert!(output.stderr.contains(error), "{}", output.stderr);
}

/// Waits until a process holds links of BPF programs: without a port an agent does not report that
/// it is ready.
fn wait_until_attached(pid: u32) {
    let deadline = Instant::now() + DEADLINE;
    while held_ids(pid, "link_id:").is_empty() {
        assert!(Instant::now() < deadline, "the agent does not attach");
        thread::sleep(Duration::from_millis(20));
    }
}
