//! Paths of `use` items. In: Rust source, its test modules cut off. Out: each imported path as segments.

/// One imported path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Without `self` at the end; `*` stays.
    pub(crate) path: Vec<String>,
    /// The name by which the importing module knows it.
    pub(crate) name: String,
    /// `pub use`, in any visibility: the module passes the name on and does not need it itself.
    pub(crate) is_reexport: bool,
}

/// The imports of a file, in order.
pub(crate) fn imports(text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut rest = text;
    while let Some(start) = find_use(rest) {
        let (before, after) = rest.split_at(start);
        let is_reexport = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        let Some(end) = after.find(';') else { break };
        let tree = after["use".len()..end].trim();
        flatten(&[], tree, is_reexport, &mut imports);
        rest = &after[end..];
    }
    imports
}

/// The next `use` keyword at the start of an item.
fn find_use(text: &str) -> Option<usize> {
    let is_item = |(index, _): &(usize, &str)| {
        let line = text[..*index].rsplit('\n').next().unwrap_or_default();
        let visibility = line.trim();
        visibility.is_empty() || (visibility.starts_with("pub") && !visibility.contains("use"))
    };
    text.match_indices("use ")
        .find(is_item)
        .map(|(index, _)| index)
}

fn flatten(prefix: &[String], tree: &str, is_reexport: bool, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((path, list)) = tree.split_once('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(segments(path));
        let list = list.strip_suffix('}').unwrap_or(list);
        for item in split_list(list) {
            flatten(&prefix, item, is_reexport, imports);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim())),
        None => (tree, None),
    };
    let mut full = prefix.to_vec();
    full.extend(segments(path));
    if full.len() > 1 && full.last().is_some_and(|last| last == "self") {
        full.pop();
    }
    let Some(last) = full.last() else { return };
    imports.push(Import {
        name: alias.unwrap_or(last).to_owned(),
        path: full,
        is_reexport,
    });
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
}

/// The items of a list, those in nested braces not split.
fn split_list(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    items.retain(|item| !item.trim().is_empty());
    items
}

#[test]
fn use_trees_become_paths() {
    let text = "
        use crate::{\n    flow::{self, Flow},\n    http as h,\n};
        pub use event::Event;
        pub(crate) use super::clock::*;
        use std::io::Read as _;
        let reuse = 1;
    ";
    let found: Vec<String> = imports(text)
        .iter()
        .map(|import| {
            let mark = if import.is_reexport { "+" } else { "" };
            format!("{mark}{} as {}", import.path.join("::"), import.name)
        })
        .collect();
    let expected = [
        "crate::flow as flow",
        "crate::flow::Flow as Flow",
        "crate::http as h",
        "+event::Event as Event",
        "+super::clock::* as *",
        "std::io::Read as _",
    ];
    assert_eq!(found, expected);
}
