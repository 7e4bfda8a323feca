//! Reads the format of `nft list` and `nft -f`, as far as kube-proxy's tables use it.

use std::collections::BTreeMap;

/// The lines of each `chain name`, `set name` and `map name` of a table. Elements have no order:
/// they are sorted, each on a line of its own.
pub(crate) type Table = BTreeMap<String, Vec<String>>;

/// The objects of one table, named as in `ip kube-proxy`.
pub(crate) fn table(text: &str, name: &str) -> Table {
    let header = format!("table {name} {{");
    let mut lines = text.lines().skip_while(|line| *line != header).skip(1);
    let mut table = Table::new();
    while let Some(line) = lines.next().filter(|line| *line != "}") {
        let Some(object) = line.trim().strip_suffix(" {") else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(str::trim)
            .take_while(|line| *line != "}")
            .collect();
        table.insert(object.to_owned(), sorted(&body));
    }
    table
}

fn sorted(body: &[&str]) -> Vec<String> {
    let text = body.join("\n");
    let Some((lines, elements)) = text.split_once("elements = {") else {
        return body.iter().map(|line| (*line).to_owned()).collect();
    };
    let elements = elements.trim_end().strip_suffix('}').unwrap();
    let mut elements: Vec<String> = elements
        .split(',')
        .map(|element| element.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    elements.sort();
    let lines = lines.lines().map(str::to_owned);
    lines.chain(elements).collect()
}
