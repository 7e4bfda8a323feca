//! Reads the format of iptables-save and iptables-restore.

use std::collections::BTreeMap;

/// Rules by table and chain, in order.
pub(crate) type Rules = BTreeMap<(String, String), Vec<String>>;

pub(crate) fn rules(text: &str) -> Rules {
    let mut table = "";
    let mut rules = Rules::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rest) = line.strip_prefix(':') {
            let chain = rest.split(' ').next().unwrap();
            rules.entry((table.into(), chain.into())).or_default();
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let (chain, rule) = rest.split_once(' ').unwrap();
            rules
                .entry((table.into(), chain.into()))
                .or_default()
                .push(as_saved(rule));
        }
    }
    rules
}

/// A rule as iptables-save would print it: the kernel keeps a probability in units of 2^-31.
fn as_saved(rule: &str) -> String {
    let Some((before, rest)) = rule.split_once("--probability ") else {
        return rule.into();
    };
    let (number, after) = rest.split_once(' ').unwrap();
    let units = (number.parse::<f64>().unwrap() * 2f64.powi(31)).round();
    format!(
        "{before}--probability {:.11} {after}",
        units / 2f64.powi(31)
    )
}
