//! Reads the text of `iptables-save`. In: text, of any number of tables. Out: each nat table as
//! chains of rules, kube-proxy's only.
//!
//! A table is lines between `*name` and `COMMIT`: `:CHAIN policy [counters]` declares a chain, `-A
//! CHAIN ...` adds a rule, `#` starts a comment, and `[packets:bytes]` may stand before a rule.
//! Source: iptables-save(8), and what iptables 1.8 writes.

use std::collections::HashMap;

use super::finding::{Findings, Problem};
use super::nat_rule::NatRule;
use super::words::Words;

/// Most rules of one table that are read. kube-proxy has about three per service and three per
/// endpoint.
pub(super) const MAX_RULES: usize = 400_000;

/// Most nat tables of one text: IPv4 and IPv6, each from both back ends of iptables. Following one
/// is bounded, so all are.
const MAX_TABLES: usize = 4;

/// Longest name a chain can have in the kernel: XT_EXTENSION_MAXNAMELEN less its NUL.
const CHAIN_NAME_MAX_BYTES: usize = 28;

/// kube-proxy's chains of a nat table.
#[derive(Debug, Default)]
pub(super) struct NatTable<'t> {
    /// Rules by chain, in order. A declared chain without rules is there and empty.
    pub(super) chains: HashMap<&'t str, Vec<NatRule<'t>>>,
    rules: usize,
}

/// All nat tables in the text. More than one when the output for IPv4 and IPv6 comes in one piece;
/// they must not be merged, because the chains of a service have the same names in both.
pub(super) fn nat_tables<'t>(text: &'t str, findings: &mut Findings) -> Vec<NatTable<'t>> {
    let mut tables = Vec::new();
    let mut open: Option<NatTable<'t>> = None;
    let mut last_line = 0;
    for (at, ended_line) in text.split_inclusive('\n').enumerate() {
        last_line = at + 1;
        let line = ended_line.trim_ascii();
        if line.starts_with('*') || line == "COMMIT" {
            tables.extend(open.take());
            open = (line == "*nat").then(NatTable::default);
            if open.is_some() && tables.len() == MAX_TABLES {
                findings.add(last_line, Problem::TooLarge);
                return tables;
            }
        } else if let Some(table) = &mut open
            && ended_line.ends_with('\n')
        {
            // A line without an end is a cut line, and a cut port would still be a port.
            if let Err(problem) = table.read_line(last_line, line) {
                findings.add(last_line, problem);
                if problem == Problem::TooLarge {
                    tables.extend(open.take());
                }
            }
        }
    }
    if let Some(cut) = open {
        findings.add(last_line, Problem::Cut);
        tables.push(cut);
    }
    tables
}

impl<'t> NatTable<'t> {
    fn read_line(&mut self, number: usize, line: &'t str) -> Result<(), Problem> {
        let line = after_counters(line);
        if let Some(declaration) = line.strip_prefix(':') {
            if let Some(chain) = kube_chain(declaration)? {
                self.chains.entry(chain).or_default();
            }
        } else if let Some(rule) = line.strip_prefix("-A ")
            && let Some(chain) = kube_chain(rule)?
        {
            if self.rules == MAX_RULES {
                return Err(Problem::TooLarge);
            }
            let words = &rule.trim_ascii_start()[chain.len()..];
            if let Some(rule) = NatRule::read(number, &mut Words::new(words))? {
                self.rules += 1;
                self.chains.entry(chain).or_default().push(rule);
            }
        }
        Ok(())
    }
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
        let tables = nat_tables(text, &mut findings);
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
    fn only_chains_of_kube_proxy_in_the_nat_table() {
        check("", &[]);
        check(
            "*filter\n:KUBE-A - [0:0]\n-A KUBE-A -j ACCEPT\nCOMMIT\n",
            &[],
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
        let many = "*nat\nCOMMIT\n".repeat(6);
        check(
            &many,
            &[
                "",
                "",
                "",
                "",
                "line 9: rules are too many, the rest is ignored",
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
            "*nat\n-A KUBE-A -j B\n*filter\n-A KUBE-A -j B\nCOMMIT\n",
            &["KUBE-A=1"],
        );
    }
}
