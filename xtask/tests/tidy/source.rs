//! The source files of the project, and their lines without comments and strings.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One source file, its path relative to the workspace.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The lines that are code, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, without_comment_and_strings(line)))
    }

    /// `path:line: what` for every line of code in which `breaks` holds.
    pub(crate) fn findings(&self, what: &str, breaks: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.code().filter(|(_, code)| breaks(code));
        lines
            .map(|(number, _)| format!("{}:{number}: {what}", self.path))
            .collect()
    }
}

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in a workspace")
}

/// Every source file of the project.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
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
