//! Any bytes as messages of nf_tables' dumps: length (u32), kind (u16), payload. What is read is the same
//! when it is read from a recording, and what is wanted are sets of kube-proxy's own table.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::kube_proxy::{KUBE_PROXY_TABLE, NfTables, Rules};

fuzz_target!(|bytes: &[u8]| {
    let mut tables = NfTables::default();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_first_chunk::<6>() {
        let [a, b, c, d, kind @ ..] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let (payload, after) = after.split_at(length.min(after.len()));
        tables.message(u16::from_le_bytes(kind), payload);
        rest = after;
    }
    for set in tables.required_sets() {
        assert_eq!(set.table, KUBE_PROXY_TABLE);
    }
    let (rules, findings) = tables.into_rules();
    assert!(findings.kept().len() <= findings.total());
    assert!(Rules::from_json(&rules.to_json()).is_ok_and(|read| read == rules));
});
