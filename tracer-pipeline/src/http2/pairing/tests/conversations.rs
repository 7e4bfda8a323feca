//! Any conversation of HTTP/2, played through a model of the kernel programs and through the stages
//! from `flow` to the exchanges: what comes out is compared with what really happened.
//!
//! Of what the records do not show, an exchange may have nothing. It may never have the status, the
//! end or the trace of another, and nothing may come out that was never sent.

mod check;
mod generator;
mod plan;
mod truth;

use std::cell::RefCell;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::conversation_tests::{self, Setting};
use check::{Case, Outcome};
use plan::Conversation;

/// Runs any conversations in the settings that `change` makes.
fn run<T: std::fmt::Debug>(
    cases: u32,
    conversations: impl Strategy<Value = Conversation>,
    changes: impl Strategy<Value = T>,
    change: impl Fn(&mut Setting, T),
) -> Outcome {
    let outcome = RefCell::<Outcome>::default();
    let config = conversation_tests::config(cases, file!());
    let settings = (conversation_tests::setting(), changes).prop_map(|(mut setting, changes)| {
        change(&mut setting, changes);
        setting
    });
    let strategy = (conversations, settings);
    let result = TestRunner::new(config).run(&strategy, |(conversation, setting)| {
        let written = generator::write(&conversation);
        let played = conversation_tests::play(&setting, written.to_server, written.to_client);
        let case = Case {
            conversation,
            setting,
            milestones: written.milestones,
            played,
        };
        let checked = case.check(&mut outcome.borrow_mut());
        checked.map_err(|error| TestCaseError::fail(format!("{error}\n{}", case.story())))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let outcome = outcome.into_inner();
    println!("{outcome:?}");
    outcome
}

#[test]
fn whole_conversations() {
    let outcome = run(2_000, plan::conversations(true), Just(()), |_, ()| {});
    // The test does not pass by silence.
    assert!(
        outcome.missing + outcome.partial < outcome.complete / 10,
        "{outcome:?}"
    );
}

#[test]
fn conversations_that_end_early() {
    run(
        1_000,
        plan::conversations(true),
        0..60_usize,
        |setting, steps| {
            setting.ends_after = Some(steps);
        },
    );
}

#[test]
fn conversations_with_retransmissions() {
    let troubles = conversation_tests::troubles();
    run(
        1_000,
        plan::conversations(false),
        troubles,
        |setting, troubles| {
            setting.troubles = troubles;
        },
    );
}

#[test]
fn conversations_of_which_records_are_lost() {
    let losses = vec(prop::bool::weighted(0.1), 1..60);
    run(
        1_000,
        plan::conversations(true),
        losses,
        |setting, losses| {
            setting.losses = losses;
        },
    );
}

#[test]
fn conversations_that_were_under_way() {
    run(
        1_000,
        plan::conversations(false),
        0..40_usize,
        |setting, steps| {
            setting.attached_after = Some(steps);
        },
    );
}
