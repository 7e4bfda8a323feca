//! The hops of a path on one line. In: hops in their order, and a number of cells. Out: as many
//! hops as fit.

use super::glyphs::Charset;
use crate::duration::part_of;
use crate::text::{Text, width};

/// `client.stack 4.2 · veth 2.1 · …` in the unit of `whole_ns`. Where not all hops fit, the
/// shortest are added up at the end, so that the longest are named and the times still add up.
pub(super) fn hops(hops: &[(Text, u64)], whole_ns: u64, room: usize, charset: Charset) -> String {
    let mut longest_first: Vec<usize> = (0..hops.len()).collect();
    longest_first.sort_by_key(|&i| std::cmp::Reverse(hops[i].1));
    let mut text = String::new();
    for named in (1..=hops.len()).rev() {
        let (kept, rest) = longest_first.split_at(named);
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        let mut parts: Vec<String> = kept
            .iter()
            .map(|&i| format!("{} {}", hops[i].0, part_of(hops[i].1, whole_ns)))
            .collect();
        if !rest.is_empty() {
            let sum = rest.iter().map(|&i| hops[i].1).fold(0, u64::saturating_add);
            parts.push(format!("{} more {}", rest.len(), part_of(sum, whole_ns)));
        }
        text = charset.text(&parts.join(" · ")).into_owned();
        if width(&text) <= room {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_hops_are_named_and_the_others_added_up() {
        let path = [
            ("client.stack", 4_200),
            ("veth", 2_100),
            ("netfilter.prerouting", 21_000),
            ("veth", 700),
        ];
        let path = path.map(|(name, ns)| (Text::clean(name), ns));
        let check = |room: usize, expected: &str| {
            assert_eq!(hops(&path, 28_000, room, Charset::Utf8), expected);
        };
        check(
            80,
            "client.stack 4.2 · veth 2.1 · netfilter.prerouting 21 · veth 0.7",
        );
        check(
            58,
            "client.stack 4.2 · netfilter.prerouting 21 · 2 more 2.8",
        );
        check(40, "netfilter.prerouting 21 · 3 more 7.0");
        check(1, "netfilter.prerouting 21 · 3 more 7.0");
        assert_eq!(hops(&[], 0, 10, Charset::Utf8), "");
        assert_eq!(
            hops(&path[..2], 6_300, 80, Charset::Ascii),
            "client.stack 4.2 | veth 2.1"
        );
    }
}
