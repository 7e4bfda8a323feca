//! What the agent watches vanishes: pods in the middle of their requests, rules, an uplink.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::EchoFixture;
use hopspan_lab::kube_proxy::Service;

use super::{REQUESTS, assert_complete, check, finish, load, wait};

const REQUESTS_OF_CONNECTION: usize = 50;
const NOTICED: Duration = Duration::from_secs(10);
/// The first request of a pod that vanishes: beyond those that are judged.
const FIRST_OF_VANISHING: u64 = 1_000_000;

/// A pod ends with its processes, its network namespace, its device and its cgroup, while it sends
/// requests and receives some.
#[test]
fn pods_that_vanish_cost_no_other_pod_its_traces() {
    if hopspan_lab::skip("pods_that_vanish_cost_no_other_pod_its_traces") {
        return;
    }
    let mut fixture = EchoFixture::start("vanishing-pods", 1, 1).unwrap();
    fixture.start_default_agent(None).unwrap();
    let mut load = load(&fixture);
    let mut vanished = 0;
    while load.exit_status().unwrap().is_none() {
        let first = FIRST_OF_VANISHING * (vanished + 1);
        let life = Duration::from_millis(500);
        fixture.vanishing_pods(vanished, first, life).unwrap();
        vanished += 1;
    }
    wait(&mut load);
    println!("{vanished} pairs of pods have vanished");
    assert!(vanished >= 5);
    let mut outcome = finish(fixture);
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| exchange.number() < FIRST_OF_VANISHING);
    let right = check(&outcome);
    assert_complete(&right, 1..=REQUESTS);
}

/// Each rewriting adds services or takes them away, and leaves the one that is asked.
#[test]
fn rules_rewritten_ten_times_a_second_cost_no_exchange() {
    if hopspan_lab::skip("rules_rewritten_ten_times_a_second_cost_no_exchange") {
        return;
    }
    let mut fixture = EchoFixture::start("rewritten-rules", 1, 1).unwrap();
    fixture.start_default_agent(None).unwrap();
    let others: Vec<Service> = (1..=20)
        .map(|number| {
            Service::new(
                "other",
                &format!("s{number}"),
                ([10, 96, 1, number], 80).into(),
            )
        })
        .collect();
    let node = fixture.node.clone();
    let asked = fixture.service().clone();
    let is_over = AtomicBool::new(false);
    let rewritten = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut times = 0;
            while !is_over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let mut services = vec![asked.clone()];
                services.extend(others.iter().take(times % 20).cloned());
                node.apply_services(&services).unwrap();
                times += 1;
                thread::sleep(Duration::from_millis(100).saturating_sub(begin.elapsed()));
            }
            times
        });
        // Each load is a connection, for which the rules choose.
        for first in (1..=REQUESTS).step_by(REQUESTS_OF_CONNECTION) {
            let requests =
                format!("--requests {REQUESTS_OF_CONNECTION} --rate 100 --first {first}");
            let load = fixture.client(0, &format!("load --protocol h1 {requests}"));
            wait(&mut load.unwrap().spawn().unwrap());
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    println!("the rules were written {rewritten} times");
    assert!(rewritten >= 30);
    let right = check(&finish(fixture));
    assert_complete(&right, 1..=REQUESTS);
}

#[test]
fn an_uplink_that_vanishes_and_comes_back_is_followed_again() {
    if hopspan_lab::skip("an_uplink_that_vanishes_and_comes_back_is_followed_again") {
        return;
    }
    let mut fixture = EchoFixture::start("vanishing-uplink", 1, 1).unwrap();
    fixture.start_default_agent(None).unwrap();
    let ip = |arguments: &str| {
        let ip = fixture.node.command("ip").args(arguments.split(' '));
        ip.run(NOTICED).unwrap();
    };
    let log = || fixture.agent.as_ref().unwrap().process.log();
    let wait_for = |words: &str, times: usize| {
        let deadline = Instant::now() + NOTICED;
        while log().matches(words).count() < times {
            assert!(Instant::now() < deadline, "{words}: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    };
    // The start says it twice.
    wait_for("uplinks: eth0", 2);
    let mut load = load(&fixture);
    ip("link del eth0");
    wait_for("no uplink found", 1);
    ip("link add name eth0 type veth peer name eth1");
    ip("link set eth0 up");
    ip("link set eth1 up");
    ip("route add default dev eth0");
    wait_for("uplinks: eth0", 3);
    wait(&mut load);
    let right = check(&finish(fixture));
    assert_complete(&right, 1..=REQUESTS);
}
