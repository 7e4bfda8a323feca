//! Reads the text of `iptables-save`. In: text, of any number of tables. Out: each nat and filter
//! table as chains of rules, kube-proxy's only.
//!
//! A table is lines between `*name` and `COMMIT`: `:CHAIN policy [counters]` declares a chain, `-A
//! CHAIN ...` adds a rule, `#` starts a comment, and `[packets:bytes]` may stand before a rule.
//! Source: iptables-save(8), and what iptables 1.8 writes.

mod rule_text;
mod words;

use std::borrow::Cow;

use super::finding::{Findings, Position, Problem};
use super::table::{Table, TableKind};
use words::Words;

/// Most tables of one text: nat and filter of IPv4 and IPv6, each from both back ends of iptables.
/// Following one is bounded, so all are.
const MAX_TABLES: usize = 8;

/// Longest name a chain can have in the kernel: XT_EXTENSION_MAXNAMELEN less its NUL.
const CHAIN_NAME_MAX_BYTES: usize = 28;

/// All tables in the text. More than one when the output for IPv4 and IPv6 comes in one piece;
/// they must not be merged, because the chains of a service have the same names in both.
pub(super) fn tables<'t>(text: &'t str, findings: &mut Findings) -> Vec<Table<'t>> {
    let mut tables = Vec::new();
    let mut open: Option<Table<'t>> = None;
    let mut last_line = 0;
    for (at, ended_line) in text.split_inclusive('\n').enumerate() {
        last_line = at + 1;
        let line = ended_line.trim_ascii();
        if line.starts_with('*') || line == "COMMIT" {
            tables.extend(open.take());
            let kind = line.strip_prefix('*').and_then(TableKind::of_iptables);
            open = kind.map(Table::new);
            if open.is_some() && tables.len() == MAX_TABLES {
                findings.add(Position::Line(last_line), Problem::TooLarge);
                return tables;
            }
        } else if let Some(table) = &mut open
            && ended_line.ends_with('\n')
        {
            // A line without an end is a cut line, and a cut port would still be a port.
            if let Err(problem) = read_line(table, last_line, line) {
                findings.add(Position::Line(last_line), problem);
                if problem == Problem::TooLarge {
                    tables.extend(open.take());
                }
            }
        }
    }
    if let Some(cut) = open {
        findings.add(Position::Line(last_line), Problem::Cut);
        tables.push(cut);
    }
    tables
}

fn read_line<'t>(table: &mut Table<'t>, number: usize, line: &'t str) -> Result<(), Problem> {
    let line = after_counters(line);
    if let Some(declaration) = line.strip_prefix(':') {
        if let Some(chain) = kube_chain(declaration)? {
            table.declare(Cow::Borrowed(chain));
        }
    } else if let Some(rule) = line.strip_prefix("-A ")
        && let Some(chain) = kube_chain(rule)?
    {
        let words = &rule.trim_ascii_start()[chain.len()..];
        if let Some(rule) = rule_text::read(number, &mut Words::new(words))? {
            table.push(Cow::Borrowed(chain), rule)?;
        }
    }
    Ok(())
}

/// The rule after the `[packets:bytes]` that `iptables-save -c` writes before it.
fn after_counters(line: &str) -> &str {
    let counted = line
        .strip_prefix('[')
        .and_then(|counters| counters.split_once(']'));
    counted.map_or(line, |(_, rule)| rule.trim_ascii_start())
}

/// The first word, when it is the name of one of kube-proxy's chains.
fn kube_chain(text: &str) -> Result<Option<&str>, Problem> {
    let Some(name) = text.split_ascii_whitespace().next() else {
        return Ok(None);
    };
    if !name.starts_with("KUBE-") {
        return Ok(None);
    }
    let allowed = name.len() <= CHAIN_NAME_MAX_BYTES && name.bytes().all(|b| b.is_ascii_graphic());
    if allowed {
        Ok(Some(name))
    } else {
        Err(Problem::ChainName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: for each table its chains and how many rules each has, then the findings.
    fn check(text: &str, expected: &[&str]) {
        let mut findings = Findings::default();
        let tables = tables(text, &mut findings);
        let mut seen: Vec<String> = tables
            .iter()
            .map(|table| {
                let mut chains: Vec<_> = table
                    .chains
                    .iter()
                    .map(|(name, rules)| format!("{name}={}", rules.len()))
                    .collect();
                chains.sort();
                chains.join(" ")
            })
            .collect();
        seen.extend(findings.kept().iter().map(ToString::to_string));
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn only_chains_of_kube_proxy_in_nat_and_filter() {
        check("", &[]);
        check(
            "*mangle\n:KUBE-A - [0:0]\n-A KUBE-A -j ACCEPT\nCOMMIT\n",
            &[],
        );
        check(
            "*filter\n:KUBE-A - [0:0]\n-A KUBE-A -j ACCEPT\nCOMMIT\n",
            &["KUBE-A=1"],
        );
        check(
            "# x\n*nat\n:INPUT ACCEPT [0:0]\n-A INPUT -j KUBE-A\nCOMMIT\n",
            &[""],
        );
        check(
            "*nat\n:KUBE-A - [0:0]\n-A KUBE-A -j B\n-A KUBE-A\n-A KUBE-B -j C\nCOMMIT\n",
            &["KUBE-A=2 KUBE-B=1"],
        );
        check("*nat\n[1:60] -A KUBE-A -j B\nCOMMIT\n", &["KUBE-A=1"]);
        check("*nat\r\n-A KUBE-A -j B\r\nCOMMIT\r\n", &["KUBE-A=1"]);
        check(
            "*nat\n-A KUBE-A -j B\nCOMMIT\n-A KUBE-B -j C\n*nat\n-A KUBE-A -j C\nCOMMIT",
            &["KUBE-A=1", "KUBE-A=1"],
        );
    }

    #[test]
    fn broken_text_costs_its_line() {
        check(
            "*nat\n-A KUBE-A --comment \"x\n-A\n-A \n:\n[1:\n!\n-A KUBE-A -s x\n-A KUBE-A -j B\nCOMMIT\n",
            &[
                "KUBE-A=1",
                "line 2: quoted text has no end",
                "line 8: address, network or port cannot be read",
            ],
        );
        let name = format!("*nat\n:KUBE-{} -\n:KUBE-\u{e9} -\nCOMMIT\n", "A".repeat(24));
        let finding = "chain name is not one the kernel allows";
        check(
            &name,
            &[
                "",
                &format!("line 2: {finding}"),
                &format!("line 3: {finding}"),
            ],
        );
    }

    #[test]
    fn tables_are_bounded() {
        let many = "*nat\nCOMMIT\n".repeat(10);
        check(
            &many,
            &[
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "line 17: rules are too many, the rest is ignored",
            ],
        );
    }

    #[test]
    fn a_cut_line_is_not_read() {
        let finding = "line 3: table has no end, the text may be cut";
        check(
            "*nat\n-A KUBE-A -j B\n-A KUBE-A -j DNAT --to-destination 10.0.0.1:8",
            &["KUBE-A=1", finding],
        );
    }

    #[test]
    fn a_table_without_end_ends_at_the_next() {
        check(
            "*nat\n-A KUBE-A -j B\n*mangle\n-A KUBE-A -j B\nCOMMIT\n",
            &["KUBE-A=1"],
        );
    }
}
