//! Recorded legacy tables of a real kernel: complete, cut and changed.

use proptest::prelude::*;

use super::super::tests::dump_without_nfacct;
use super::*;

const NAT: &[u8] = include_bytes!("../../../tests/fixtures/kube-proxy/iptables-legacy-nat.entries");
const FILTER: &[u8] =
    include_bytes!("../../../tests/fixtures/kube-proxy/iptables-legacy-filter.entries");
const NAT6: &[u8] =
    include_bytes!("../../../tests/fixtures/kube-proxy/ip6tables-legacy-nat.entries");

#[test]
fn legacy_tables_and_iptables_save_give_the_same_rules() {
    let (mut rules, findings) = Rules::from_ip_tables("nat", Family::V4, NAT);
    assert_eq!(findings, Findings::default());
    let (filter, findings) = Rules::from_ip_tables("filter", Family::V4, FILTER);
    assert_eq!(findings, Findings::default());
    assert_eq!((rules.refusal_count(), filter.len()), (0, 0));
    rules.extend(filter);
    assert_eq!(rules, Rules::from_iptables_save(&dump_without_nfacct()).0);
}

#[test]
fn ipv6_has_the_same_paths() {
    let (rules, findings) = Rules::from_ip_tables("nat", Family::V6, NAT6);
    assert_eq!(findings, Findings::default());
    assert_eq!(rules.len(), 18);
    super::super::tests::listing::check_paths(&rules, "ip6tables.paths");
}

#[test]
fn other_tables_are_ignored() {
    let (rules, findings) = Rules::from_ip_tables("mangle", Family::V4, NAT);
    assert!(rules.is_empty() && findings.total() == 0);
    // Entries of the other family are malformed.
    let (rules, findings) = Rules::from_ip_tables("nat", Family::V6, NAT);
    assert!(rules.is_empty() && findings.total() > 0);
}

/// A cut table has no more rules than the complete one, and gives a finding unless it is cut
/// between two entries.
#[test]
fn every_prefix() {
    for (family, entries, layout) in [(Family::V4, NAT, &V4), (Family::V6, NAT6, &V6)] {
        let (whole, _) = Rules::from_ip_tables("nat", family, entries);
        let (all, _) = super::entries(layout, entries);
        let ends: Vec<usize> = all.iter().map(|entry| entry.offset).collect();
        for end in (0..entries.len()).step_by(41) {
            let (cut, findings) = Rules::from_ip_tables("nat", family, &entries[..end]);
            assert!(cut.len() <= whole.len(), "up to byte {end}");
            assert!(
                findings.total() > 0 || ends.contains(&end),
                "up to byte {end}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_entries_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), is_ipv6: bool) {
        let (family, entries) = if is_ipv6 { (Family::V6, NAT6) } else { (Family::V4, NAT) };
        let mut entries = entries.to_vec();
        for (at, byte) in changes {
            let index = at.index(entries.len());
            entries[index] = byte;
        }
        let (rules, findings) = Rules::from_ip_tables("nat", family, &entries);
        prop_assert!(findings.kept().len() <= findings.total());
        for path in rules.paths.values().flatten() {
            prop_assert!(path.chains.len() >= 2);
        }
    }
}
