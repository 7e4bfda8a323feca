//! A rule that is none of kube-proxy's, in the tool of the node's proxy mode. In: what it does, to whose
//! packets. Out: the rule, until it is dropped.

use std::time::Duration;

use anyhow::Result;

use crate::kube_proxy::ProxyMode;
use crate::{Command, Node};

use super::Victims;

const DEADLINE: Duration = Duration::from_secs(30);

/// The port that all connections are given.
const SHARED_PORT: u16 = 50_000;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Drop,
    DropFirstSyn,
    ShareSourcePort,
}

/// A rule of a node. Dropping it removes it.
#[must_use]
#[derive(Debug)]
pub struct Rule {
    node: Node,
    /// What removes it: a program and its arguments.
    removal: Vec<String>,
}

impl Rule {
    pub(super) fn of(node: &Node, what: What, victims: Victims) -> Result<Self> {
        match node.options().proxy_mode {
            ProxyMode::Nftables => Self::nft(node, what, victims),
            ProxyMode::Iptables => Self::iptables(node, "iptables", what, victims),
            ProxyMode::IptablesLegacy => Self::iptables(node, "iptables-legacy", what, victims),
        }
    }

    fn iptables(node: &Node, program: &str, what: What, victims: Victims) -> Result<Self> {
        let arguments = |action: &str| {
            let rule = iptables_rule(action, what, victims, node);
            words(&format!("{program} -w {rule}"))
        };
        command(node, &arguments("-I"))?.run(DEADLINE)?;
        Ok(Self {
            node: node.clone(),
            removal: arguments("-D"),
        })
    }

    fn nft(node: &Node, what: What, victims: Victims) -> Result<Self> {
        let table = format!("hopspan-fault-{}", what.name());
        command(node, &words("nft -f -"))?
            .stdin_text(&nft_table(&table, what, victims, node))?
            .run(DEADLINE)?;
        Ok(Self {
            node: node.clone(),
            removal: words(&format!("nft delete table ip {table}")),
        })
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let removed = command(&self.node, &self.removal).and_then(|command| command.run(DEADLINE));
        if let Err(error) = removed {
            eprintln!("a rule stays until the lab is gone: {error:#}");
        }
    }
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::DropFirstSyn => "first-syn",
            Self::ShareSourcePort => "source-port",
        }
    }
}

fn iptables_rule(action: &str, what: What, victims: Victims, node: &Node) -> String {
    let Victims { client, port } = victims;
    let packets = format!("-s {client} -p tcp --dport {port}");
    match what {
        What::Drop => format!("{action} FORWARD {packets} -j DROP"),
        // A rule counts the packets that come to it: of 65,536 it drops the first.
        What::DropFirstSyn => format!(
            "{action} FORWARD {packets} --syn -m statistic --mode nth --every 65536 --packet 0 -j DROP"
        ),
        What::ShareSourcePort => format!(
            "-t nat {action} POSTROUTING {packets} -j SNAT --to-source {}:{SHARED_PORT}",
            node.ip()
        ),
    }
}

fn nft_table(table: &str, what: What, victims: Victims, node: &Node) -> String {
    let Victims { client, port } = victims;
    let packets = format!("ip saddr {client} tcp dport {port}");
    let forward = "type filter hook forward priority filter; policy accept;";
    let chain = match what {
        What::Drop => format!("{forward} {packets} drop"),
        What::DropFirstSyn => {
            format!(
                "{forward} {packets} tcp flags & (syn | ack) == syn numgen inc mod 65536 == 0 drop"
            )
        }
        What::ShareSourcePort => format!(
            "type nat hook postrouting priority srcnat - 1; policy accept; {packets} snat to {}:{SHARED_PORT}",
            node.ip()
        ),
    };
    format!("table ip {table} {{\nchain fault {{\n{chain}\n}}\n}}\n")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn command(node: &Node, words: &[String]) -> Result<Command> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| anyhow::anyhow!("a rule has no program"))?;
    Ok(node.command(program).args(arguments))
}
