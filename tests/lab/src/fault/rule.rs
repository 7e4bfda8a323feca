//! Rules that are not kube-proxy's. In: an action, and the packets it applies to. Out: the rule,
//! until it is dropped.

use std::time::Duration;

use anyhow::{Context, Result};

use super::victims::Victims;
use crate::kube_proxy::ProxyMode;
use crate::node::Node;

const DEADLINE: Duration = Duration::from_secs(30);

/// The source port that connections share.
const SHARED_PORT: u16 = 50_000;

/// Matches the first of 65,536 packets that reach the rule.
const FIRST: &str = "-m statistic --mode nth --every 65536 --packet 0";

/// What a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Drop,
    DropFirstSyn,
    ShareSourcePort,
}

/// A rule of a node. Dropping it removes it.
#[must_use]
#[derive(Debug)]
pub struct Rule {
    node: Node,
    /// Programs with their arguments.
    removals: Vec<Vec<String>>,
}

impl Rule {
    /// Applies an action to connections, with the tool of the node's proxy mode.
    pub(super) fn for_connections(node: &Node, action: Action, victims: Victims) -> Result<Self> {
        let mut rule = Self::none(node);
        match node.options().proxy_mode {
            ProxyMode::Nftables => rule.add_nft_table(action, victims)?,
            ProxyMode::Iptables => rule.insert("iptables", &action.iptables(victims, node))?,
            ProxyMode::IptablesLegacy => {
                rule.insert("iptables-legacy", &action.iptables(victims, node))?;
            }
        }
        Ok(rule)
    }

    /// Drops TCP packets with a text: the first `limit`, or all.
    pub(super) fn for_text(node: &Node, text: &str, limit: Option<u32>) -> Result<Self> {
        let mut matches = split("FORWARD -p tcp -m string --algo bm --string");
        matches.push(text.to_owned());
        let first = limit.map_or_else(Vec::new, |_| split(FIRST));
        let dropping = [matches, first, split("-j DROP")].concat();
        let mut rule = Self::none(node);
        // Each copy drops one packet, which then reaches no other copy.
        for _ in 0..limit.unwrap_or(1) {
            rule.insert("iptables", &dropping)?;
        }
        Ok(rule)
    }

    fn none(node: &Node) -> Self {
        Self {
            node: node.clone(),
            removals: Vec::new(),
        }
    }

    /// Inserts a rule at the head of the chain that it begins with.
    fn insert(&mut self, program: &str, rule: &[String]) -> Result<()> {
        let command =
            |action: &str| [split(&format!("{program} -w {action}")), rule.to_vec()].concat();
        run(&self.node, &command("-I"), "")?;
        self.removals.push(command("-D"));
        Ok(())
    }

    fn add_nft_table(&mut self, action: Action, victims: Victims) -> Result<()> {
        let table = format!("hopspan-fault-{}", action.name());
        let chain = action.nft_chain(victims, &self.node);
        let text = format!("table ip {table} {{\nchain fault {{\n{chain}\n}}\n}}\n");
        run(&self.node, &split("nft -f -"), &text)?;
        self.removals
            .push(split(&format!("nft delete table ip {table}")));
        Ok(())
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        for command in &self.removals {
            if let Err(error) = run(&self.node, command, "") {
                eprintln!("a rule stays until the lab is removed: {error:#}");
            }
        }
    }
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::DropFirstSyn => "first-syn",
            Self::ShareSourcePort => "source-port",
        }
    }

    /// The arguments of `iptables -I`.
    fn iptables(self, victims: Victims, node: &Node) -> Vec<String> {
        let Victims { client, port } = victims;
        let packets = format!("-s {client} -p tcp --dport {port}");
        split(&match self {
            Self::Drop => format!("FORWARD {packets} -j DROP"),
            Self::DropFirstSyn => format!("FORWARD {packets} --syn {FIRST} -j DROP"),
            Self::ShareSourcePort => format!(
                "POSTROUTING -t nat {packets} -j SNAT --to-source {}:{SHARED_PORT}",
                node.ip()
            ),
        })
    }

    /// What stands in a chain of nftables.
    fn nft_chain(self, victims: Victims, node: &Node) -> String {
        let Victims { client, port } = victims;
        let packets = format!("ip saddr {client} tcp dport {port}");
        let forward = "type filter hook forward priority filter; policy accept;";
        match self {
            Self::Drop => format!("{forward} {packets} drop"),
            Self::DropFirstSyn => format!(
                "{forward} {packets} tcp flags & (syn | ack) == syn numgen inc mod 65536 == 0 drop"
            ),
            Self::ShareSourcePort => format!(
                "type nat hook postrouting priority srcnat - 1; policy accept; {packets} snat to {}:{SHARED_PORT}",
                node.ip()
            ),
        }
    }
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

fn run(node: &Node, command: &[String], input: &str) -> Result<()> {
    let (program, arguments) = command.split_first().context("a rule has no program")?;
    let command = node.command(program).args(arguments);
    command.stdin_text(input)?.run(DEADLINE)?;
    Ok(())
}
