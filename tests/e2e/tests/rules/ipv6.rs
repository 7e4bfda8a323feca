//! The same rules for IPv6: every address `a.b.c.d` becomes `fd00::a.b.c.d`, in hexadecimal digits.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The table of kube-proxy's nftables mode for IPv4 as the one for IPv6.
pub(crate) fn of_nftables(text: &str) -> String {
    let start = text.find("table ip kube-proxy").unwrap();
    let end = text.find("table ip6 kube-proxy").unwrap();
    let text = text[start..end]
        .replace("table ip ", "table ip6 ")
        .replace("ipv4_addr", "ipv6_addr")
        .replace("ip saddr", "ip6 saddr")
        .replace("ip daddr", "ip6 daddr")
        .replace("dnat ip to", "dnat ip6 to");
    addresses(&text)
}

fn addresses(text: &str) -> String {
    let words = text.split_inclusive([' ', '\t', '\n', ',']);
    words
        .map(|word| {
            let core = word.trim_end_matches([' ', '\t', '\n', ',']);
            let rest = &word[core.len()..];
            translate(core).map_or(word.to_owned(), |core| core + rest)
        })
        .collect()
}

fn translate(word: &str) -> Option<String> {
    if let Some((network, bits)) = word.split_once('/') {
        let bits: u32 = bits.parse().ok()?;
        return Some(format!("{}/{}", address(network)?, bits + 96));
    }
    if let Some((ip, port)) = word.split_once(':') {
        let port: u16 = port.parse().ok()?;
        return Some(format!("[{}]:{port}", address(ip)?));
    }
    address(word)
}

fn address(word: &str) -> Option<String> {
    let ip: Ipv4Addr = word.parse().ok()?;
    // Other digits than nft(8) can read are not written: `fd00::ac9:10b`, not `fd00::10.201.1.11`.
    let prefix = 0xfd00 << 112;
    Some(Ipv6Addr::from_bits(prefix | u128::from(ip.to_bits())).to_string())
}
