//! Rules about the source that no compiler checks. In: every `.rs` file of the project and cargo's
//! metadata. Out: a list of what breaks a rule, one line each. The rules are those of the invariants in
//! ARCHITECTURE.md and of CONTRIBUTING.md.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod modules;
mod source;
mod stages;
mod use_tree;

use source::{Source, sources};

/// A file is one idea; at this length it is split by concept.
const MAX_LINES: usize = 400;

/// Where tracer-user may use `unsafe`: what touches the kernel and its raw bytes.
const UNSAFE_MODULES: [&str; 3] = ["attach", "capture", "rules"];

#[test]
fn every_file_opens_with_its_purpose() {
    check(|source| {
        let text = source.text.trim_start_matches("#!/");
        if text.starts_with("//!") {
            vec![]
        } else {
            vec![format!("{}:1: does not start with //!", source.path)]
        }
    });
}

#[test]
fn every_file_is_one_idea() {
    check(|source| {
        let lines = source.text.lines().count();
        if lines <= MAX_LINES {
            vec![]
        } else {
            vec![format!(
                "{}: {lines} lines, more than {MAX_LINES}",
                source.path
            )]
        }
    });
}

#[test]
fn only_what_touches_the_kernel_is_unsafe() {
    let is_checked = |path: &str| match path.strip_prefix("tracer-user/src/") {
        Some(path) => !UNSAFE_MODULES
            .iter()
            .any(|module| is_in_module(path, module)),
        None => [
            "tracer-pipeline/src/",
            "tracer-semconv/src/",
            "tracer-view/src/",
        ]
        .iter()
        .any(|root| path.starts_with(root)),
    };
    check(|source| {
        if is_checked(&source.path) {
            source.findings("unsafe outside of attach, capture and rules", |code| {
                has_word(code, "unsafe")
            })
        } else {
            vec![]
        }
    });
}

#[test]
fn only_one_place_reads_kernel_structures() {
    check(
        |source| match source.path.strip_prefix("tracer-ebpf/src/") {
            Some(path) if !is_in_module(path, "kernel") => source
                .findings("reads kernel memory outside of src/kernel", |code| {
                    code.contains("bpf_probe_read")
                }),
            _ => vec![],
        },
    );
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_ignored() {
    check(|source| {
        let mut findings = source.findings("todo! or unimplemented!", |code| {
            code.contains("todo!(") || code.contains("unimplemented!(")
        });
        findings.extend(source.findings("an ignored test", |code| code.contains("#[ignore")));
        findings
    });
}

/// Applies a rule to every file and fails with all that it finds.
fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let findings: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Whether `path` is the file or the directory of a top-level module.
fn is_in_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether `word` stands in `code` by itself, not as a part of a name such as
/// `unsafe_op_in_unsafe_fn`.
fn has_word(code: &str, word: &str) -> bool {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|part| part == word)
}

#[test]
fn words_and_modules_are_whole() {
    assert!(has_word("    unsafe fn f() {", "unsafe"));
    assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
    assert!(is_in_module("attach.rs", "attach") && is_in_module("attach/link.rs", "attach"));
    assert!(!is_in_module("attachment.rs", "attach"));
}
