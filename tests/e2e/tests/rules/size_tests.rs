//! The rules of a large cluster: all are read, and fast.

use std::time::{Duration, Instant};

use tracer_pipeline::kube_proxy::Findings;
use tracer_user::rules::{Anyway, Mode, Reader};

use super::{
    large,
    namespace::{self, no_legacy},
};

const SERVICES: u32 = 5_000;
/// Far more than the reader needs on two busy cores, and far less than a reader with quadratic time
/// would need.
const LIMIT: Duration = Duration::from_secs(20);

/// Loads `text` with a program, reads it, and prints how long that took.
fn check(mode: Mode, program: &str, arguments: &[&str], text: &str) {
    namespace::within(|| {
        namespace::run(program, arguments, text).unwrap();
        let mut reader = Reader::default();
        let started = Instant::now();
        reader.read(Anyway::default()).unwrap();
        let took = started.elapsed();
        let (rules, findings) = reader.rules();
        println!("{mode:?}: {SERVICES} services with two endpoints read in {took:?}");
        assert_eq!(findings, Findings::default());
        assert_eq!(reader.modes(), [mode]);
        assert_eq!(rules.len(), 2 * SERVICES as usize);
        assert!(took < LIMIT, "{took:?}");
        let again = Instant::now();
        assert!(!reader.read(Anyway::default()).unwrap());
        println!("{mode:?}: unchanged, seen in {:?}", again.elapsed());
    });
}

#[test]
fn five_thousand_services_in_nftables_mode() {
    if hopspan_lab::skip_without(
        "five_thousand_services_in_nftables_mode",
        &[("nft", "nftables")],
    ) {
        return;
    }
    check(
        Mode::Nftables,
        "nft",
        &["-f", "-"],
        &large::nftables(SERVICES, 0),
    );
}

#[test]
fn five_thousand_services_in_iptables_mode_on_nf_tables() {
    if hopspan_lab::skip("five_thousand_services_in_iptables_mode_on_nf_tables") {
        return;
    }
    check(
        Mode::IptablesNft,
        "iptables-nft-restore",
        &[],
        &large::iptables(SERVICES),
    );
}

#[test]
fn five_thousand_services_in_iptables_mode_on_the_legacy_back_end() {
    let test = "five_thousand_services_in_iptables_mode_on_the_legacy_back_end";
    let program = "iptables-legacy-restore";
    if hopspan_lab::skip_without(test, &[(program, "iptables")]) {
        return;
    }
    let probe = || namespace::run(program, &[], "*nat\nCOMMIT\n");
    if let Err(error) = namespace::within(probe) {
        hopspan_lab::print_skip(test, &no_legacy(&error));
        return;
    }
    check(
        Mode::IptablesLegacy,
        program,
        &[],
        &large::iptables(SERVICES),
    );
}
