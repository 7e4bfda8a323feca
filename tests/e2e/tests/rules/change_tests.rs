//! Rules that change: which changes the reader notices, and what it reads during a change.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use tracer_user::{
    netlink::NetlinkError,
    rules::{Anyway, ReadError, Reader},
};

use super::{
    dumps, large,
    namespace::{self, no_legacy},
};

const NFT: (&str, &str) = ("nft", "nftables");
const LEGACY: (&str, &str) = ("iptables-legacy-restore", "iptables");

#[test]
fn unchanged_rules_are_not_read_again() {
    if hopspan_lab::skip_without("unchanged_rules_are_not_read_again", &[NFT]) {
        return;
    }
    namespace::within(|| {
        let mut reader = Reader::default();
        namespace::run("nft", &["-f", "-"], &dumps::nftables()).unwrap();
        assert!(reader.read(Anyway::default()).unwrap());
        assert!(!reader.read(Anyway::default()).unwrap());
        let gone = "delete element ip kube-proxy service-ips { 10.97.10.10 . tcp . 80 }";
        namespace::run("nft", &["-f", "-"], gone).unwrap();
        assert!(reader.read(Anyway::default()).unwrap());
        assert_eq!(reader.rules().0.len(), 16);
        namespace::run("nft", &["flush", "ruleset"], "").unwrap();
        assert!(reader.read(Anyway::default()).unwrap());
        assert!(reader.rules().0.is_empty() && reader.modes().is_empty());
    });
}

#[test]
fn a_change_of_a_legacy_table_that_keeps_its_size_is_noticed() {
    if hopspan_lab::skip_without(
        "a_change_of_a_legacy_table_that_keeps_its_size_is_noticed",
        &[LEGACY],
    ) {
        return;
    }
    namespace::within(|| {
        let text = dumps::iptables();
        if let Err(error) = namespace::run("iptables-legacy-restore", &[], &text) {
            hopspan_lab::print_skip(
                "a_change_of_a_legacy_table_that_keeps_its_size_is_noticed",
                &no_legacy(&error),
            );
            return;
        }
        let mut reader = Reader::default();
        assert!(reader.read(Anyway::default()).unwrap());
        assert!(!reader.read(Anyway::default()).unwrap());
        let anyway = Anyway {
            legacy: true,
            ..Anyway::default()
        };
        assert!(!reader.read(anyway).unwrap());
        let (before, _) = reader.rules();
        // A pod was replaced by another: no size and no offset differs.
        let moved = text.replace("10.201.1.12", "10.201.1.13");
        namespace::run("iptables-legacy-restore", &[], &moved).unwrap();
        assert!(!reader.read(Anyway::default()).unwrap());
        assert!(reader.read(anyway).unwrap());
        let (after, _) = reader.rules();
        assert_ne!(before, after);
        assert_eq!(before.len(), after.len());
    });
}

/// Endpoints are replaced again and again, each time in one transaction: the reader reads one of
/// the two states, or returns an error.
#[test]
fn no_mixture_of_two_states_is_read() {
    if hopspan_lab::skip_without("no_mixture_of_two_states_is_read", &[NFT]) {
        return;
    }
    namespace::within(|| {
        namespace::run("nft", &["-f", "-"], &large::nftables(300, 0)).unwrap();
        let states = [1, 2].map(|octet| large::moved(300, octet));
        let mut reader = Reader::with_notifications().unwrap();
        let expected = states.each_ref().map(|state| {
            namespace::run("nft", &["-f", "-"], state).unwrap();
            reader.read(Anyway::default()).unwrap();
            reader.rules().0
        });
        assert_eq!(expected[0].len(), 600);
        assert_ne!(expected[0], expected[1]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // A new thread is in the namespace of its parent.
            scope.spawn(|| {
                for state in states.iter().cycle().take(30) {
                    namespace::run("nft", &["-f", "-"], state).unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });
            let (mut read, mut given_up) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                match reader.read(Anyway::default()) {
                    Ok(_) => read += 1,
                    Err(ReadError::NfTables(NetlinkError::Changed)) => given_up += 1,
                    Err(error) => panic!("{}", error.text()),
                }
                assert!(expected.contains(&reader.rules().0), "a mixture was read");
            }
            println!("read {read} times, given up {given_up} times");
            assert!(read > 0);
        });
    });
}

/// A transaction that deletes a table and makes it again can be read half done: as a table without
/// rules, with the number of the new generation. The notification comes when the transaction is
/// complete.
#[test]
fn a_table_that_is_replaced_is_read_after_its_notification() {
    let test = "a_table_that_is_replaced_is_read_after_its_notification";
    if hopspan_lab::skip_without(test, &[NFT]) {
        return;
    }
    namespace::within(|| {
        let mut reader = Reader::with_notifications().unwrap();
        for octet in [1, 2, 1, 2, 1] {
            let text = large::nftables(300, octet);
            thread::scope(|scope| {
                let writer = scope.spawn(|| namespace::run("nft", &["-f", "-"], &text));
                while !writer.is_finished() {
                    let _ = reader.read(Anyway::default());
                }
                writer.join().unwrap().unwrap();
            });
            // The agent too waits and then reads. The last reading may have taken the notification:
            // it then read the complete change.
            let anyway = Anyway {
                nf_tables: reader.wait(Instant::now()).unwrap(),
                ..Anyway::default()
            };
            reader.read(anyway).unwrap();
            let rules = reader.rules().0;
            assert_eq!(rules.len(), 600);
            let moved = rules.decision(&large::translation(7, octet));
            assert!(moved.is_some(), "the state before is read");
        }
    });
}
