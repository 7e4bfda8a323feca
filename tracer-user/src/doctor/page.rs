//! The diagnosis as a page of text. A reason that several hooks share is printed once, with a
//! number.

use std::collections::BTreeMap;

use super::{
    Diagnosis,
    check::{Check, State},
    hooks::HookState,
};

/// The width of the column of names.
const NAME: usize = 24;

/// Writes the page. Its last line is the summary.
pub(super) fn render(diagnosis: &Diagnosis) -> String {
    let mut page = String::new();
    for check in &diagnosis.checks {
        page += &check_lines(check);
    }
    page += "\nhooks, tried and detached again\n";
    let mut numbers = BTreeMap::new();
    for hook in &diagnosis.hooks {
        page += &hook_line(hook, &mut numbers);
    }
    page += &reasons(&numbers);
    page += &summary(diagnosis);
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

/// The number of each reason, in the order of the hooks.
type Numbers<'a> = BTreeMap<&'a str, usize>;

fn hook_line<'a>(hook: &'a HookState, numbers: &mut Numbers<'a>) -> String {
    let number = hook.reason.as_deref().map(|reason| {
        let next = numbers.len() + 1;
        *numbers.entry(reason).or_insert(next)
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

fn reasons(numbers: &Numbers<'_>) -> String {
    let mut by_number: Vec<(usize, &str)> = numbers
        .iter()
        .map(|(reason, number)| (*number, *reason))
        .collect();
    by_number.sort_unstable();
    let line = |(number, reason): (usize, &str)| {
        // The verifier's log has several lines.
        format!("    [{number}] {}\n", reason.replace('\n', "\n        "))
    };
    by_number.into_iter().map(line).collect()
}

fn summary(diagnosis: &Diagnosis) -> String {
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
    fn a_missing_check_shows_its_loss_and_its_remedy() {
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
    fn the_page_of_a_complete_machine_ends_with_a_summary() {
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
