//! The hops of a path that are one attribute of it (`hopspan.hops`). In: the attribute's text, `name
//! interface nanoseconds` of each hop, and the length of the path. Out: the hops, or `None` where
//! the text has another form or its hops cannot be those of the path.

use super::names::Names;
use crate::span::Hop;

/// The number of hops that one path can have. A record of the agent holds 32 stamps, and a connect
/// between nodes is made of four records.
const MAX_HOPS: usize = 256;

pub(super) fn hops<'a>(text: &'a str, path_ns: u64, names: &mut Names<'a>) -> Option<Box<[Hop]>> {
    let (mut hops, mut left_ns) = (Vec::new(), path_ns);
    for hop in text.split(", ") {
        if hops.len() == MAX_HOPS {
            return None;
        }
        let hop = self::hop(hop, names)?;
        left_ns = left_ns.checked_sub(hop.duration_ns)?;
        hops.push(hop);
    }
    Some(hops.into())
}

fn hop<'a>(text: &'a str, names: &mut Names<'a>) -> Option<Hop> {
    let mut words = text.split(' ');
    let (name, second, third) = (words.next()?, words.next()?, words.next());
    let (interface, nanoseconds) = match third {
        Some(nanoseconds) => (Some(second), nanoseconds),
        None => (None, second),
    };
    if words.next().is_some() || name.is_empty() || interface.is_some_and(str::is_empty) {
        return None;
    }
    Some(Hop {
        name: names.get(name),
        interface: interface.map(|interface| names.get(interface)),
        duration_ns: number(nanoseconds)?,
    })
}

/// Digits only: Rust's own parser also accepts a sign.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hops as text again, or `None` where they are refused.
    fn check(text: &str, path_ns: u64, expected: Option<&str>) {
        let hops = hops(text, path_ns, &mut Names::default()).map(|hops| {
            let hop = |hop: &Hop| match &hop.interface {
                Some(interface) => format!("{}@{interface}={}", hop.name, hop.duration_ns),
                None => format!("{}={}", hop.name, hop.duration_ns),
            };
            hops.iter().map(hop).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(hops.as_deref(), expected, "{text:?} in {path_ns} ns");
    }

    #[test]
    fn hops_are_name_interface_nanoseconds() {
        check(
            "client.stack eth0 8120, route 530",
            8_650,
            Some("client.stack@eth0=8120 route=530"),
        );
        check("wire 0", 0, Some("wire=0"));
        // The kernel allows commas in the name of an interface.
        check("veth a,b 5, route 6", 11, Some("veth@a,b=5 route=6"));
        // A newer agent may have other hops.
        check("teleport tp0 1", 1, Some("teleport@tp0=1"));
        check("veth eth\u{1b}[2J 1", 1, Some("veth@eth\u{fffd}[2J=1"));
    }

    #[test]
    fn text_of_another_form_is_refused() {
        for text in [
            "",
            " ",
            ", ",
            "route",
            "route ",
            "route 5,",
            "route 5, ",
            "route  5",
            " 5",
            "route eth0 5 6",
            "route eth0 five",
            "route -5",
            "route +5",
            "route 5.0",
            "route \u{0665}",
        ] {
            check(text, u64::MAX, None);
        }
    }

    #[test]
    fn hops_longer_than_their_path_are_refused() {
        check("veth 600, route 400", 1_000, Some("veth=600 route=400"));
        check("veth 600, route 401", 1_000, None);
        check("veth 18446744073709551615", 1_000, None);
        check("veth 18446744073709551615, route 1", u64::MAX, None);
        check("veth 18446744073709551616", u64::MAX, None);
    }

    #[test]
    fn the_number_of_hops_is_bounded() {
        let text = |hops: usize| vec!["veth 1"; hops].join(", ");
        let kept = |hops_in: usize| {
            hops(&text(hops_in), u64::MAX, &mut Names::default()).map(|hops| hops.len())
        };
        assert_eq!(kept(MAX_HOPS), Some(MAX_HOPS));
        assert_eq!(kept(MAX_HOPS + 1), None);
        assert_eq!(kept(1_000_000), None);
    }

    proptest! {
        #[test]
        fn no_text_gives_more_time_than_the_path_has(
            text in "([a-z.]{0,5}[ ,+0-9é]{0,4}){0,40}",
            path_ns in any::<u64>(),
        ) {
            let kept = hops(&text, path_ns, &mut Names::default()).unwrap_or_default();
            let sum: u128 = kept.iter().map(|hop| u128::from(hop.duration_ns)).sum();
            prop_assert!(sum <= u128::from(path_ns));
        }
    }
}
