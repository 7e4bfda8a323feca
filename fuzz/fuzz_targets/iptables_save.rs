//! Any text as the output of `iptables-save`. Findings name lines that exist, rules added to
//! themselves are the same rules, and so are rules that were recorded.

#![no_main]

use tracer_pipeline::kube_proxy::{Position, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (mut rules, findings) = Rules::from_iptables_save(&text);
    let lines = text.split_inclusive('\n').count();
    for finding in findings.kept() {
        let Position::Line(line) = finding.position else {
            panic!("{finding}");
        };
        assert!((1..=lines).contains(&line), "{finding}");
    }
    // A path to an endpoint takes at least one DNAT rule.
    assert!(rules.is_empty() || text.contains("DNAT"));
    assert!(Rules::from_facts(&rules.to_facts()).is_ok_and(|read| read == rules));
    let known = rules.len();
    rules.extend(rules.clone());
    assert_eq!(rules.len(), known);
});
