//! Reads kube-proxy's rules with the node's own tool.
//!
//! Runs in the network namespace of the agent, which is the node's. Where there is no
//! `iptables-save` the spans have no rule names, and nothing else is lost.

use std::process::Command;

/// The nat tables of both families as `iptables-save` and `ip6tables-save` print them; `None`
/// where neither can be run.
pub fn nat_rules() -> Option<String> {
    let texts: Vec<String> = ["iptables-save", "ip6tables-save"]
        .into_iter()
        .filter_map(save)
        .collect();
    (!texts.is_empty()).then(|| texts.concat())
}

fn save(program: &str) -> Option<String> {
    let output = Command::new(program).args(["-t", "nat"]).output();
    match output {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::debug!("{program}: {}: {}", output.status, said.trim_end());
            None
        }
        Err(error) => {
            tracing::debug!("{program}: {error}");
            None
        }
    }
}
