//! docs/reliability.md, the table of faults. In: its text. Out: each fault, and the tests that cause
//! it.

/// The document, in the checkout.
pub(super) const DOCUMENT: &str = "docs/reliability.md";

/// A row of the document's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    /// A module's path with `::` at its end, or a test's path.
    pub(super) tests: Vec<String>,
}

/// The rows of all tables, in order.
pub(super) fn faults(document: &str) -> Vec<Fault> {
    document.lines().filter_map(fault).collect()
}

/// `| fault | promise | tests |`. The headings and the lines below them name no test.
fn fault(line: &str) -> Option<Fault> {
    let cells: Vec<&str> = line
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .collect();
    let [what, _promise, tests] = cells[..] else {
        return None;
    };
    // What is between backticks.
    let tests = tests.split('`').skip(1).step_by(2);
    let tests: Vec<String> = tests.map(str::to_owned).collect();
    (!tests.is_empty()).then(|| Fault {
        what: what.trim().to_owned(),
        tests,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn a_row_has_its_tests() {
        let document = "\
| fault | promise | test |
|---|---|---|
| no room | it goes on | `disk::`, `a::b` |
| text without a test | none | none |
";
        let expected = Fault {
            what: "no room".to_owned(),
            tests: vec!["disk::".to_owned(), "a::b".to_owned()],
        };
        assert_eq!(faults(document), [expected]);
    }

    /// Whether a source file below `directory` has this text.
    fn is_in_a_source(directory: &Path, text: &str) -> bool {
        let entries = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries.into_iter().any(|path| match path.is_dir() {
            true => {
                path.file_name().is_some_and(|name| name != "target") && is_in_a_source(&path, text)
            }
            false => {
                path.extension().is_some_and(|extension| extension == "rs")
                    && fs::read_to_string(&path).unwrap().contains(text)
            }
        })
    }

    #[test]
    fn every_test_of_the_document_exists() {
        let root = Workspace::new().unwrap().root().to_owned();
        let document = fs::read_to_string(root.join(DOCUMENT)).unwrap();
        let faults = faults(&document);
        assert!(faults.len() > 30, "{faults:?}");
        for test in faults.into_iter().flat_map(|fault| fault.tests) {
            let path: Vec<&str> = test.split("::").collect();
            let text = match path[..] {
                [.., module, ""] => format!("mod {module}"),
                [.., function] => format!("fn {function}()"),
                [] => unreachable!("a split text has a part"),
            };
            assert!(is_in_a_source(&root, &text), "{test} is in no source");
        }
    }
}
