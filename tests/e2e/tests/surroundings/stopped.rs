//! An agent that does not run all the time.

use std::{
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::EchoFixture;
use hopspan_lab::Signal;

use super::{REQUESTS, assert_complete, check, finish, load, wait};

/// Beyond the time for which the kernel programs wait for the agent.
const STOPPED: Duration = Duration::from_secs(4);

#[test]
fn an_agent_that_was_stopped_goes_on() {
    if hopspan_lab::skip("an_agent_that_was_stopped_goes_on") {
        return;
    }
    let mut fixture = EchoFixture::start("stopped", 1, 1).unwrap();
    fixture.start_default_agent(None).unwrap();
    let mut load = load(&fixture);
    thread::sleep(Duration::from_secs(2));
    let agent = &mut fixture.agent.as_mut().unwrap().process;
    agent.signal(Signal::SIGSTOP).unwrap();
    thread::sleep(STOPPED);
    agent.signal(Signal::SIGCONT).unwrap();
    wait(&mut load);
    let right = check(&finish(fixture));
    // Before the stop, and after it.
    assert_complete(&right, 1..=150);
    assert_complete(&right, REQUESTS - 200..=REQUESTS);
}

/// As the kernel's CPU controller does it: of each tenth of a second the agent runs for a hundredth.
#[test]
fn an_agent_with_a_tenth_of_a_cpu_tells_nothing_wrong() {
    if hopspan_lab::skip("an_agent_with_a_tenth_of_a_cpu_tells_nothing_wrong") {
        return;
    }
    let mut fixture = EchoFixture::start("cpu-limit", 1, 1).unwrap();
    fixture.start_default_agent(None).unwrap();
    let mut load = load(&fixture);
    let agent = &mut fixture.agent.as_mut().unwrap().process;
    let end = Instant::now() + Duration::from_secs(12);
    while Instant::now() < end {
        agent.signal(Signal::SIGSTOP).unwrap();
        thread::sleep(Duration::from_millis(90));
        agent.signal(Signal::SIGCONT).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    wait(&mut load);
    check(&finish(fixture));
}
