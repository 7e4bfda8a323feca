//! The tables in docs/performance.md. In: the document and its tables. Out: the document with the
//! tables between their markers; what people have written around them stays.

use anyhow::{Context, Result};

/// A part of the document that the benchmark writes, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Markdown.
    pub(super) text: String,
}

/// Replaces what is between the markers of each part.
///
/// # Errors
/// When the document has no such markers; it says which.
pub(super) fn replace(document: &str, parts: &[Part]) -> Result<String> {
    let mut document = document.to_owned();
    for Part { name, text } in parts {
        let [begin, end] = ["begin", "end"].map(|edge| format!("<!-- bench:{name} {edge} -->"));
        let missing = |marker: &str| format!("the document has no line {marker}");
        let from = document.find(&begin).with_context(|| missing(&begin))? + begin.len();
        let length = document
            .get(from..)
            .and_then(|rest| rest.find(&end))
            .with_context(|| missing(&end))?;
        document.replace_range(from..from + length, &format!("\n\n{}\n\n", text.trim()));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::benchmark::Benchmark;
    use super::*;

    fn part(name: &str, text: &str) -> Part {
        Part {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = "# Title\n<!-- bench:a begin -->old<!-- bench:a end -->\nafter\n<!-- bench:b begin --><!-- bench:b end -->\n";
        let once = replace(document, &[part("a", "| new |\n")]).unwrap();
        let expected = "# Title\n<!-- bench:a begin -->\n\n| new |\n\n<!-- bench:a end -->\nafter\n<!-- bench:b begin --><!-- bench:b end -->\n";
        assert_eq!(once, expected);
        assert_eq!(replace(&once, &[part("a", "| new |\n")]).unwrap(), expected);
    }

    #[test]
    fn a_part_without_a_place_is_an_error() {
        for document in [
            "",
            "<!-- bench:a begin -->",
            "<!-- bench:a end --><!-- bench:a begin -->",
        ] {
            assert!(replace(document, &[part("a", "")]).is_err(), "{document}");
        }
    }

    #[test]
    fn the_document_has_a_place_for_every_benchmark() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let document = fs::read_to_string(path).unwrap();
        let names = Benchmark::ALL.map(Benchmark::name);
        let parts: Vec<Part> = names
            .into_iter()
            .chain(["machine", "budgets"])
            .map(|name| part(name, "a table"))
            .collect();
        let filled = replace(&document, &parts).unwrap();
        assert_eq!(filled.matches("a table").count(), parts.len());
    }
}
