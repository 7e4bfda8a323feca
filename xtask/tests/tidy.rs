//! Rules about the source that no compiler checks. In: every `.rs` file of the project. Out: a list
//! of what breaks a rule, one line each. The rules are those of the invariants in the design and of
//! the style guide.

use std::fs;
use std::path::{Path, PathBuf};

/// Files that may be longer than [`MAX_LINES`], each with the reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// A file is one idea; at this length it is split by concept.
const MAX_LINES: usize = 400;

/// Where tracer-user may use `unsafe`: what touches the kernel and its raw bytes.
const UNSAFE_MODULES: [&str; 3] = ["attach", "capture", "decode"];

/// One source file, its path relative to the workspace.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are code, with their numbers. What only stands in a comment or in a string
    /// breaks no rule.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, without_comment_and_strings(line)))
    }

    /// `path:line: what` for every line of code in which `breaks` holds.
    fn findings(&self, what: &str, breaks: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.code().filter(|(_, code)| breaks(code));
        lines
            .map(|(number, _)| format!("{}:{number}: {what}", self.path))
            .collect()
    }
}

#[test]
fn every_file_says_what_it_is() {
    check(|source| {
        let says = source
            .text
            .trim_start_matches("#!/")
            .lines()
            .next()
            .is_some_and(|line| line.starts_with("//!"));
        if says {
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
        let explained = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines <= MAX_LINES || explained {
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
fn a_long_file_that_was_split_leaves_the_list() {
    let sources = sources();
    let stale = |path: &str| {
        !sources
            .iter()
            .any(|source| source.path == path && source.text.lines().count() > MAX_LINES)
    };
    let stale: Vec<&str> = LONG_FILES
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| stale(path))
        .collect();
    assert!(stale.is_empty(), "in LONG_FILES, but not long: {stale:?}");
}

#[test]
fn only_what_touches_the_kernel_is_unsafe() {
    check(
        |source| match source.path.strip_prefix("tracer-user/src/") {
            Some(path)
                if !UNSAFE_MODULES
                    .iter()
                    .any(|module| is_in_module(path, module)) =>
            {
                source.findings("unsafe outside of attach, capture and decode", |code| {
                    has_word(code, "unsafe")
                })
            }
            _ => vec![],
        },
    );
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

/// Every source file of the project.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in a workspace");
    let mut paths = Vec::new();
    collect(root, &mut paths);
    assert!(paths.len() > 10, "no sources below {}", root.display());
    let read = |path: &PathBuf| Source {
        path: path
            .strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string(),
        text: fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("read {}: {error}", path.display())),
    };
    paths.iter().map(read).collect()
}

/// All `.rs` files below `dir`, except in hidden directories and in what cargo builds.
fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(dir).unwrap_or_else(|error| panic!("read {}: {error}", dir.display()));
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths);
        } else if is_source {
            paths.push(path);
        }
    }
}

/// Whether `path` is the file or the directory of a top-level module.
fn is_in_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// A line without its comment and without the contents of its string literals. A literal that spans
/// lines is taken for code.
fn without_comment_and_strings(line: &str) -> String {
    let mut code = String::new();
    let mut chars = line.chars().peekable();
    let mut in_string = false;
    while let Some(char) = chars.next() {
        match char {
            // An escape, in a string or in a literal of one character.
            '\\' => {
                chars.next();
            }
            '\'' if !in_string && chars.peek() == Some(&'"') => {
                chars.nth(1);
            }
            '"' => in_string = !in_string,
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => code.push(char),
        }
    }
    code
}

/// Whether `word` stands in `code` by itself, not as a part of a name such as
/// `unsafe_op_in_unsafe_fn`.
fn has_word(code: &str, word: &str) -> bool {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|part| part == word)
}

#[test]
fn comments_and_strings_are_no_code() {
    let cases = [
        ("let x = 1; // unsafe", "let x = 1; "),
        ("call(\"unsafe \\\" // text\"); f()", "call(); f()"),
        ("/// todo!()", ""),
        ("split('\"') // unsafe", "split() "),
        ("unsafe { f() }", "unsafe { f() }"),
    ];
    for (line, expected) in cases {
        assert_eq!(without_comment_and_strings(line), expected, "{line}");
    }
}

#[test]
fn words_and_modules_are_whole() {
    assert!(has_word("    unsafe fn f() {", "unsafe"));
    assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
    assert!(is_in_module("attach.rs", "attach") && is_in_module("attach/link.rs", "attach"));
    assert!(!is_in_module("attachment.rs", "attach"));
}
