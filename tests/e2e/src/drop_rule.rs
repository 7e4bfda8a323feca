//! A rule of a node that drops packets by what is in them, for as long as the test wants it.
//!
//! In: a text that no other packet has. Out: packets of pods that never arrive. Knows no protocol.

use std::time::Duration;

use anyhow::Result;
use hopspan_lab::Node;

const DEADLINE: Duration = Duration::from_secs(30);

/// Which of the packets that have the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first, and no other.
    First,
    /// The first two.
    FirstTwo,
    /// Every one.
    All,
}

/// The rule; dropping it removes it.
#[must_use]
pub struct Dropping {
    node: Node,
    rules: Vec<Vec<String>>,
}

impl Dropping {
    /// From now on the node does not forward these packets.
    ///
    /// # Errors
    /// When iptables refuses the rule: the kernel may lack xt_string or xt_statistic.
    pub fn of(node: &Node, text: &str, which: Which) -> Result<Self> {
        let matches = [
            "-p", "tcp", "-m", "string", "--algo", "bm", "--string", text,
        ];
        // A rule counts the packets that come to it: of 65,536 it drops the first.
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
        let (rules, conditions): (usize, &[&str]) = match which {
            Which::First => (1, &first),
            Which::FirstTwo => (2, &first),
            Which::All => (1, &[]),
        };
        let rule = [&["FORWARD"], &matches[..], conditions, &["-j", "DROP"]].concat();
        let rule: Vec<String> = rule.into_iter().map(str::to_owned).collect();
        let mut dropping = Self {
            node: node.clone(),
            rules: Vec::new(),
        };
        for _ in 0..rules {
            iptables(node, "-I", &rule)?;
            dropping.rules.push(rule.clone());
        }
        Ok(dropping)
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        for rule in &self.rules {
            if let Err(error) = iptables(&self.node, "-D", rule) {
                eprintln!("a rule stays until the lab is gone: {error:#}");
            }
        }
    }
}

fn iptables(node: &Node, what: &str, rule: &[String]) -> Result<()> {
    node.command("iptables")
        .args(["-w", what])
        .args(rule)
        .run(DEADLINE)?;
    Ok(())
}
