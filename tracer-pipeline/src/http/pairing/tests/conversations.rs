//! Any conversation, played through a model of the kernel programs and through the stages `flow`
//! and `http`: what comes out is compared with what really happened.
//!
//! An exchange may stay unknown, or without its response, where the records do not show more. It
//! may never have the status of another, and nothing may come out that was never sent.

mod check;
mod generator;

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use check::{Case, Outcome};
use generator::Plan;

use crate::conversation_tests::{self, Setting};

/// Runs any conversations in the settings that `change` makes.
fn run<T: std::fmt::Debug>(
    cases: u32,
    plans: impl Strategy<Value = Vec<Plan>>,
    changes: impl Strategy<Value = T>,
    change: impl Fn(&mut Setting, T),
) -> BTreeMap<String, Outcome> {
    let outcomes = RefCell::default();
    let config = conversation_tests::config(cases, file!());
    let settings = (conversation_tests::setting(), changes).prop_map(|(mut setting, changes)| {
        change(&mut setting, changes);
        setting
    });
    let strategy = (plans, settings);
    let result = TestRunner::new(config).run(&strategy, |(plans, setting)| {
        let (to_server, to_client, truths) = generator::streams(&plans);
        let played = conversation_tests::play(&setting, to_server, to_client);
        let case = Case {
            plans,
            setting,
            truths,
            played,
        };
        let checked = case.check(&mut outcomes.borrow_mut());
        checked.map_err(|error| TestCaseError::fail(format!("{error}\n{}", case.story())))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let outcomes: BTreeMap<String, Outcome> = outcomes.into_inner();
    for (kind, outcome) in &outcomes {
        println!("{kind}: {outcome:?}");
    }
    outcomes
}

#[test]
fn whole_conversations() {
    let plans = generator::plans();
    let outcomes = run(2_000, plans, Just(()), |_, ()| {});
    // The test does not pass by silence.
    for kind in ["plain", "cut heads", "pipelined"] {
        let outcome = outcomes[kind];
        let silent = outcome.without_response + outcome.missing;
        assert!(silent < outcome.complete, "{kind}: {outcome:?}");
    }
}

#[test]
fn conversations_that_end_early() {
    let plans = generator::plans();
    run(1_000, plans, 0..60_usize, |setting, steps| {
        setting.ends_after = Some(steps);
    });
}

#[test]
fn conversations_with_retransmissions() {
    let plans = generator::plans();
    let troubles = conversation_tests::troubles();
    run(1_000, plans, troubles, |setting, troubles| {
        setting.troubles = troubles;
    });
}

#[test]
fn conversations_of_which_records_are_lost() {
    let losses = vec(prop::bool::weighted(0.1), 1..60);
    let plans = generator::plans();
    run(1_000, plans, losses, |setting, losses| {
        setting.losses = losses;
    });
}

#[test]
fn conversations_that_were_under_way() {
    let plans = generator::plans();
    run(1_000, plans, 0..40_usize, |setting, steps| {
        setting.attached_after = Some(steps);
    });
}
