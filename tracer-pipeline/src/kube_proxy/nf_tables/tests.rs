//! Recorded messages of real kernels: complete, cut and changed.

use proptest::prelude::*;

use super::super::tests::{dump_without_nfacct, listing::check_paths};
use super::*;

const NFTABLES: &[u8] = include_bytes!("../../../tests/fixtures/kube-proxy/nftables.messages");
const BOTH: &[u8] = include_bytes!("../../../tests/fixtures/kube-proxy/nftables-both.messages");
const OLDER: &[u8] = include_bytes!("../../../tests/fixtures/kube-proxy/nftables-1.30.messages");
const IPTABLES: &[u8] = include_bytes!("../../../tests/fixtures/kube-proxy/iptables-nft.messages");

/// The messages of a recording: length (u32) and kind (u16), little endian, then the payload.
fn messages(mut recording: &[u8]) -> Vec<(u16, &[u8])> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = recording.split_first_chunk() {
        let (kind, rest) = rest.split_first_chunk().expect("a kind");
        let (payload, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        messages.push((u16::from_le_bytes(*kind), payload));
        recording = rest;
    }
    messages
}

fn read(messages: &[(u16, &[u8])]) -> (Rules, Findings) {
    let mut tables = NfTables::default();
    for (kind, payload) in messages {
        tables.message(*kind, payload);
    }
    tables.into_rules()
}

fn read_recording(recording: &[u8]) -> Rules {
    let (rules, findings) = read(&messages(recording));
    assert_eq!(findings, Findings::default());
    rules
}

#[test]
fn every_path_of_the_nftables_mode() {
    check_paths(&read_recording(NFTABLES), "nftables.paths");
}

#[test]
fn every_path_of_both_families() {
    check_paths(&read_recording(BOTH), "nftables-both.paths");
}

#[test]
fn every_path_of_kubernetes_1_30() {
    check_paths(&read_recording(OLDER), "nftables-1.30.paths");
}

/// iptables-save prints what iptables-nft wrote, so both give the same rules.
#[test]
fn iptables_nft_and_iptables_save_give_the_same_rules() {
    let text = dump_without_nfacct();
    assert_eq!(read_recording(IPTABLES), Rules::from_iptables_save(&text).0);
}

#[test]
fn required_sets_are_those_of_the_nftables_mode() {
    let mut tables = NfTables::default();
    for (kind, payload) in messages(NFTABLES) {
        tables.message(kind, payload);
    }
    let required = tables.required_sets();
    let of = |is_ipv6| {
        let sets = required.iter().filter(|set| set.is_ipv6 == is_ipv6);
        sets.map(|set| set.set.as_str()).collect::<Vec<_>>()
    };
    let named = [
        "cluster-ips",
        "firewall-ips",
        "hairpin-connections",
        "no-endpoint-nodeports",
        "no-endpoint-services",
        "service-ips",
        "service-nodeports",
    ];
    let anonymous = ["__map0", "__map1", "__map2", "__map3", "__map4", "__map5"];
    assert_eq!(of(false), [&anonymous[..], &named].concat());
    assert_eq!(of(true), named);
    // Sets of iptables-nft are never needed.
    let mut tables = NfTables::default();
    for (kind, payload) in messages(IPTABLES) {
        tables.message(kind, payload);
    }
    assert!(tables.required_sets().is_empty());
}

/// The order of the kernel's messages does not matter.
#[test]
fn elements_may_come_before_rules() {
    let mut reversed = messages(NFTABLES);
    reversed.sort_by_key(|(kind, _)| *kind != NEW_ELEMENTS);
    assert_eq!(read(&reversed).0, read_recording(NFTABLES));
}

#[test]
fn other_messages_are_ignored() {
    for (kind, payload) in messages(NFTABLES) {
        let mut inet = payload.to_vec();
        inet[0] = 1;
        for (kind, payload) in [(kind, &inet[..]), (kind + 1, payload), (kind, &[][..])] {
            let (rules, findings) = read(&[(kind, payload)]);
            assert!(rules.is_empty() && findings.total() == 0);
        }
    }
}

/// A cut message loses its own rules at most.
#[test]
fn every_prefix_of_every_message() {
    for recording in [NFTABLES, OLDER, IPTABLES] {
        let all = messages(recording);
        let whole = read(&all).0;
        for (index, (kind, payload)) in all.iter().enumerate().step_by(5) {
            for end in (0..payload.len()).step_by(3) {
                let mut cut = all.clone();
                cut[index] = (*kind, &payload[..end]);
                let (rules, _) = read(&cut);
                assert!(rules.len() <= whole.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_messages_never_panic(
        recording in prop::sample::select(vec![NFTABLES, BOTH, OLDER, IPTABLES]),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let all = messages(recording);
        let mut owned: Vec<(u16, Vec<u8>)> = all.iter().map(|(kind, payload)| (*kind, payload.to_vec())).collect();
        for (at, byte) in changes {
            let message = at.index(owned.len());
            let payload = &mut owned[message].1;
            if !payload.is_empty() {
                let index = at.index(payload.len());
                payload[index] = byte;
            }
        }
        let borrowed: Vec<(u16, &[u8])> = owned.iter().map(|(kind, payload)| (*kind, payload.as_slice())).collect();
        let (rules, findings) = read(&borrowed);
        prop_assert!(findings.kept().len() <= findings.total());
        for path in rules.paths.values().flatten() {
            prop_assert!(!path.chains.is_empty());
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in prop::sample::select(vec![NEW_RULE, NEW_ELEMENTS]), family in prop::sample::select(vec![IPV4, IPV6])) {
        let payload = [&[family, 0, 0, 0], &bytes[..]].concat();
        let _ = read(&[(kind, &payload)]);
    }
}
