//! The trial: loads and attaches every program, and detaches it again.
//!
//! In: how to attach. Out: the state of each hook. Nothing less is reliable: a kernel can support a
//! program type and refuse this program, and a cgroup can have an exclusive program of another
//! tool. In the few milliseconds of the trial the programs see packets, and their records are not
//! read.

use tracer_common::hook::Hook;

use crate::{
    attach::{self, Attached, Options, hook_loss},
    error_chain::error_chain,
};

use super::check::State;

/// The result of the trial for one hook.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct HookState {
    pub(super) hook: &'static str,
    pub(super) state: State,
    /// The function of the program that serves the hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) served_by: Option<&'static str>,
    /// Why the program, or the better program, is not attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What the spans lack because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<&'static str>,
}

impl HookState {
    pub(super) fn attached(hook: Hook, served_by: &'static str) -> Self {
        Self {
            hook: hook.name(),
            state: State::Good,
            served_by: Some(served_by),
            reason: None,
            lost: None,
        }
    }

    pub(super) fn missing(hook: Hook, reason: String) -> Self {
        Self {
            hook: hook.name(),
            state: State::Missing,
            served_by: None,
            reason: Some(reason),
            lost: Some(hook_loss::without(hook)),
        }
    }
}

/// The results for all hooks.
pub(super) struct Trial {
    pub(super) hooks: Vec<HookState>,
    /// An agent is attached here, beside which the programs of the trial were.
    pub(super) beside_another: bool,
}

/// Attaches all programs and detaches them.
pub(super) fn trial(options: &Options) -> Trial {
    match attach::attach_what_is_possible(options) {
        Ok(attached) => Trial {
            hooks: judge(&attached),
            beside_another: attached.is_beside_another(),
        },
        Err(error) => all_missing(&error),
    }
}

/// The result when no hook can be attached, for one reason.
pub(super) fn all_missing(error: &(dyn std::error::Error + 'static)) -> Trial {
    let reason = error_chain(error);
    let missing = |hook| HookState::missing(hook, reason.clone());
    Trial {
        hooks: Hook::ALL.map(missing).into(),
        beside_another: false,
    }
}

fn judge(attached: &Attached) -> Vec<HookState> {
    let judge = |hook: Hook| {
        if let Some(missing) = attached.missing.iter().find(|missing| missing.hook == hook) {
            return HookState::missing(hook, missing.reason.clone());
        }
        let fallback = attached
            .fallbacks
            .iter()
            .find(|fallback| fallback.hook == hook);
        match fallback {
            None => HookState::attached(hook, hook.name()),
            Some(fallback) => {
                let lost = hook_loss::with_fallback(hook);
                HookState {
                    state: lost.map_or(State::Good, |_| State::Missing),
                    reason: Some(fallback.reason.clone()),
                    lost,
                    ..HookState::attached(hook, fallback.function)
                }
            }
        }
    };
    Hook::ALL.map(judge).into()
}
