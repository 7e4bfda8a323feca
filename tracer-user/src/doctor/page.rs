//! The diagnosis as a page: what is missing first to be found, and the same reason told once.

use std::collections::BTreeMap;

use super::{
    Diagnosis,
    check::{Check, State},
    hooks::HookState,
};

/// The width of names.
const NAME: usize = 24;

/// The page, ending in one line that says it all.
pub(super) fn render(diagnosis: &Diagnosis) -> String {
    let mut page = String::new();
    for check in &diagnosis.checks {
        page += &check_lines(check);
    }
    page += "\nhooks, tried and detached again\n";
    let mut told = BTreeMap::new();
    for hook in &diagnosis.hooks {
        page += &hook_line(hook, &mut told);
    }
    page += &reasons(&told);
    page += &last_line(diagnosis);
    page
}

fn mark(state: State) -> &'static str {
    match state {
        State::Good => "ok     ",
        State::Note => "note   ",
        State::Missing => "MISSING",
    }
}

fn check_lines(check: &Check) -> String {
    let mut lines = format!(
        "{} {:NAME$} {}\n",
        mark(check.state),
        check.name,
        check.found
    );
    for (label, text) in [("lost", &check.lost), ("do", &check.remedy)] {
        if let Some(text) = text {
            lines += &format!("        {:NAME$} {label}: {text}\n", "");
        }
    }
    lines
}

/// Reasons, numbered in the order they are met.
type Told<'a> = BTreeMap<&'a str, usize>;

fn hook_line<'a>(hook: &'a HookState, told: &mut Told<'a>) -> String {
    let number = hook.reason.as_deref().map(|reason| {
        let next = told.len() + 1;
        *told.entry(reason).or_insert(next)
    });
    let reference = number.map_or_else(String::new, |number| format!(" [{number}]"));
    let text = match (hook.lost, hook.served_by) {
        (Some(lost), _) => format!("lost: {lost}{reference}"),
        (None, Some(function)) if function != hook.hook => {
            format!("attached, by {function}{reference}")
        }
        (None, _) => format!("attached{reference}"),
    };
    format!("{} {:NAME$} {text}\n", mark(hook.state), hook.hook)
}

fn reasons(told: &Told<'_>) -> String {
    let mut by_number: Vec<(usize, &str)> = told
        .iter()
        .map(|(reason, number)| (*number, *reason))
        .collect();
    by_number.sort_unstable();
    let line = |(number, reason): (usize, &str)| {
        // The verifier's words come on lines of their own.
        format!("    [{number}] {}\n", reason.replace('\n', "\n        "))
    };
    by_number.into_iter().map(line).collect()
}

fn last_line(diagnosis: &Diagnosis) -> String {
    let kernel = &diagnosis.kernel;
    if diagnosis.complete {
        return format!("\nhopspan sees everything on this machine (kernel {kernel})\n");
    }
    let missing = |state: State| state == State::Missing;
    let checks = diagnosis.checks.iter().filter(|check| missing(check.state));
    let hooks = diagnosis.hooks.iter().filter(|hook| missing(hook.state));
    let (checks, hooks) = (checks.count(), hooks.count());
    let all = diagnosis.hooks.len();
    format!(
        "\nmissing on this machine (kernel {kernel}): of the checks {checks}, of the {all} hooks {hooks}\n"
    )
}

#[cfg(test)]
mod tests {
    use tracer_common::hook::Hook;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_loss_and_its_remedy() {
        let old = "too old".to_owned();
        let diagnosis = Diagnosis {
            complete: false,
            kernel: "6.1.0".to_owned(),
            checks: vec![
                Check::good("kernel", "6.1.0"),
                Check::missing(
                    "netfilter_links",
                    "too old",
                    "the netfilter hops",
                    "boot 6.4",
                ),
            ],
            hooks: vec![
                HookState::attached(Hook::CgroupEgress, "cgroup_egress"),
                HookState::missing(Hook::InputEnter, old.clone()),
                HookState::missing(Hook::InputLeave, old),
                HookState {
                    reason: Some("no sock_recv_length".to_owned()),
                    ..HookState::attached(Hook::SocketRead, "socket_read_fallback")
                },
            ],
        };
        let expected = "\
ok      kernel                   6.1.0
MISSING netfilter_links          too old
                                 lost: the netfilter hops
                                 do: boot 6.4

hooks, tried and detached again
ok      cgroup_egress            attached
MISSING input_enter              lost: the netfilter.input hop [1]
MISSING input_leave              lost: the netfilter.input hop [1]
ok      socket_read              attached, by socket_read_fallback [2]
    [1] too old
    [2] no sock_recv_length

missing on this machine (kernel 6.1.0): of the checks 1, of the 4 hooks 2
";
        assert_eq!(render(&diagnosis), expected);
    }

    #[test]
    fn a_machine_with_everything_says_so_at_the_end() {
        let diagnosis = Diagnosis {
            complete: true,
            kernel: "6.18.0".to_owned(),
            checks: vec![Check::note("bridges", "not loaded", "nothing to do")],
            hooks: vec![HookState::attached(Hook::CgroupEgress, "cgroup_egress")],
        };
        let page = render(&diagnosis);
        assert!(page.contains("note    bridges"), "{page}");
        assert!(
            page.ends_with("sees everything on this machine (kernel 6.18.0)\n"),
            "{page}"
        );
    }
}
