//! The generated parts of a document. In: the document and its parts. Out: the document with the
//! parts between their markers; what people have written around them stays.

use anyhow::{Context, Result};

/// A part of a document that the benchmarks write, by its name in the markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Markdown.
    pub(super) text: String,
}

impl Part {
    pub(super) fn new(name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            text: text.into(),
        }
    }
}

/// Replaces what is between the markers of each part.
///
/// # Errors
/// When the document has no such markers, with the one that is missing.
pub(super) fn replace(document: &str, parts: &[Part]) -> Result<String> {
    let mut document = document.to_owned();
    for Part { name, text } in parts {
        let [begin, end] = ["begin", "end"].map(|edge| format!("<!-- bench:{name} {edge} -->"));
        let missing = |marker: &str| format!("the document has no line {marker}");
        let from = document.find(&begin).with_context(|| missing(&begin))? + begin.len();
        let length = document[from..].find(&end).with_context(|| missing(&end))?;
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

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = "# Title\n<!-- bench:a begin -->old<!-- bench:a end -->\nafter\n<!-- bench:b begin --><!-- bench:b end -->\n";
        let parts = [Part::new("a", "| new |\n")];
        let once = replace(document, &parts).unwrap();
        let expected = "# Title\n<!-- bench:a begin -->\n\n| new |\n\n<!-- bench:a end -->\nafter\n<!-- bench:b begin --><!-- bench:b end -->\n";
        assert_eq!(once, expected);
        assert_eq!(replace(&once, &parts).unwrap(), expected);
    }

    #[test]
    fn a_part_without_markers_is_an_error() {
        for document in [
            "",
            "<!-- bench:a begin -->",
            "<!-- bench:a end --><!-- bench:a begin -->",
        ] {
            assert!(
                replace(document, &[Part::new("a", "")]).is_err(),
                "{document}"
            );
        }
    }

    #[test]
    fn the_document_has_markers_for_every_benchmark() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let document = fs::read_to_string(path).unwrap();
        let names = Benchmark::all().iter().map(|benchmark| benchmark.name());
        let names = names.chain(["machine", "budgets"].map(str::to_owned));
        let parts: Vec<Part> = names.map(|name| Part::new(&name, "a table")).collect();
        let filled = replace(&document, &parts).unwrap();
        assert_eq!(filled.matches("a table").count(), parts.len());
    }
}
