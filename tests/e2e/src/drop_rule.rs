//! Rules of a node's iptables that the tests insert.
//!
//! In: a node, and which packets. Out: packets of pods that never arrive.

use std::time::Duration;

use anyhow::Result;
use hopspan_lab::Node;

const TOOL_LIMIT: Duration = Duration::from_secs(30);

/// How many of the packets with a text are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The first.
    First,
    /// The first two.
    FirstTwo,
    /// Every one.
    All,
}

/// Rules that drop forwarded packets with a text that no other packet has. Dropping the value
/// removes them.
#[must_use]
pub struct DropRule {
    node: Node,
    rules: Vec<Vec<String>>,
}

impl DropRule {
    /// Inserts the rules.
    ///
    /// # Errors
    /// When iptables refuses them: the kernel may lack xt_string or xt_statistic.
    pub fn insert(node: &Node, text: &str, dropped: Dropped) -> Result<Self> {
        let matches = [
            "-p", "tcp", "-m", "string", "--algo", "bm", "--string", text,
        ];
        // A rule counts the packets that reach it: of 65,536 it drops the first.
        let first = [
            "-m",
            "statistic",
            "--mode",
            "nth",
            "--every",
            "65536",
            "--packet",
            "0",
        ];
        let (rules, conditions): (usize, &[&str]) = match dropped {
            Dropped::First => (1, &first),
            Dropped::FirstTwo => (2, &first),
            Dropped::All => (1, &[]),
        };
        let rule = [&["FORWARD"], &matches[..], conditions, &["-j", "DROP"]].concat();
        let rule: Vec<String> = rule.into_iter().map(str::to_owned).collect();
        let mut inserted = Self {
            node: node.clone(),
            rules: Vec::new(),
        };
        for _ in 0..rules {
            iptables(node, "-I", &rule)?;
            inserted.rules.push(rule.clone());
        }
        Ok(inserted)
    }
}

impl Drop for DropRule {
    fn drop(&mut self) {
        for rule in &self.rules {
            if let Err(error) = iptables(&self.node, "-D", rule) {
                eprintln!("a rule stays until the lab is gone: {error:#}");
            }
        }
    }
}

/// Inserts a rule of the filter table that stays, such as `FORWARD -p tcp --dport 9999 -j DROP`.
///
/// # Errors
/// When iptables refuses it.
pub fn insert_rule(node: &Node, rule: &str) -> Result<()> {
    let rule: Vec<String> = rule.split(' ').map(str::to_owned).collect();
    iptables(node, "-I", &rule)
}

fn iptables(node: &Node, action: &str, rule: &[String]) -> Result<()> {
    node.command("iptables")
        .args(["-w", action])
        .args(rule)
        .run(TOOL_LIMIT)?;
    Ok(())
}
