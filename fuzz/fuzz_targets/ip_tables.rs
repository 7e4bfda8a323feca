//! Any bytes as the entries of a legacy table: the first says which table and family, the rest are the
//! entries. What is read is the same when it is read from a recording.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::kube_proxy::{Family, Rules};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, entries)) = bytes.split_first() else {
        return;
    };
    let table = if which & 1 == 0 { "nat" } else { "filter" };
    let family = if which & 2 == 0 {
        Family::V4
    } else {
        Family::V6
    };
    let (rules, findings) = Rules::from_ip_tables(table, family, entries);
    assert!(findings.kept().len() <= findings.total());
    assert!(Rules::from_json(&rules.to_json()).is_ok_and(|read| read == rules));
});
