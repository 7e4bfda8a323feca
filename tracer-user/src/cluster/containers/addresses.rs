//! The addresses of a network namespace, from /proc/PID/net, without entering the namespace.
//!
//! In: the text of `fib_trie` and `if_inet6`. Out: addresses, without loopback and link-local
//! addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bound of addresses of one namespace. A pod has one of each family for each network.
const MAX_ADDRESSES: usize = 64;

/// kernel: fib_trie_seq_show (net/ipv4/fib_trie.c): a line `|-- ADDRESS`, and below it one
/// `/32 host LOCAL` where the address is the namespace's own.
pub(super) fn of_fib_trie(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.trim_end().parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
        {
            keep(&mut addresses, address.into());
        }
    }
    addresses
}

/// kernel: if6_seq_show (net/ipv6/addrconf.c): 32 hexadecimal digits, then numbers, then the
/// device.
pub(super) fn of_if_inet6(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        let digits = line.split(' ').next().filter(|digits| digits.len() == 32);
        if let Some(bits) = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
            keep(&mut addresses, Ipv6Addr::from_bits(bits).into());
        }
    }
    addresses
}

/// Whether an address identifies a host: not loopback, unspecified or link-local.
pub(super) fn is_own(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || is_link_local)
}

fn keep(addresses: &mut Vec<IpAddr>, address: IpAddr) {
    let is_new = is_own(&address) && !addresses.contains(&address);
    if is_new && addresses.len() < MAX_ADDRESSES {
        addresses.push(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.2
           /32 host LOCAL
        |-- 10.244.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
     |-- 10.244.1.2
        /32 host LOCAL
";
    const IF_INET6: &str = "\
fd000000000000000000000000000002 02 40 00 80     eth0
fe80000000000000a8aa00fffe000001 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
";

    #[test]
    fn only_own_addresses_are_found() {
        let own: Vec<IpAddr> = vec!["10.244.1.2".parse().unwrap()];
        assert_eq!(of_fib_trie(FIB_TRIE), own);
        let own: Vec<IpAddr> = vec!["fd00::2".parse().unwrap()];
        assert_eq!(of_if_inet6(IF_INET6), own);
    }

    #[test]
    fn other_text_has_no_addresses() {
        for text in ["", "|-- x\n/32 host LOCAL", "/32 host LOCAL", "\u{1}\n\n"] {
            assert!(of_fib_trie(text).is_empty(), "{text:?}");
            assert!(of_if_inet6(text).is_empty(), "{text:?}");
        }
    }
}
