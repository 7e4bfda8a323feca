//! The SVG is well-formed, and has all points and colours.

use super::*;

fn plot() -> String {
    let axes = Axes {
        title: "a < b & \"c\"",
        x: "services",
        y: "µs",
    };
    let line = |name: &str, points: &[(f64, f64)]| Line {
        name: name.to_owned(),
        points: points.to_vec(),
    };
    let lines = [
        line("iptables", &[(10.0, 2.1), (100.0, 4.0), (5000.0, 120.0)]),
        line("nftables", &[(10.0, 2.4), (100.0, 2.5), (5000.0, 3.5)]),
    ];
    svg(&axes, &lines).unwrap()
}

/// The names of the elements. Checks that each tag is closed, in order, and that quotes are even.
fn elements(svg: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(begin) = rest.find('<') {
        let text = &rest[..begin];
        assert!(!text.contains('>'), "a bare > in {text:?}");
        for (index, _) in text.match_indices('&') {
            let entity = &text[index..];
            let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
            assert!(
                known.iter().any(|known| entity.starts_with(known)),
                "{entity}"
            );
        }
        let end = begin + rest[begin..].find('>').expect("a tag ends");
        let tag = &rest[begin + 1..end];
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            seen.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    seen
}

#[test]
fn it_is_well_formed_and_has_every_point() {
    let svg = plot();
    let elements = elements(&svg);
    let count = |name: &str| elements.iter().filter(|of| *of == name).count();
    assert_eq!(elements[0], "svg");
    assert_eq!(count("polyline"), 2);
    assert_eq!(count("circle"), 6);
    // 10 to 10,000 and 1 to 1,000.
    assert_eq!(count("line"), 8);
    assert!(svg.contains("a &lt; b &amp; &quot;c&quot;"), "{svg}");
    assert!(svg.contains("10,000") && svg.contains("nftables"));
}

#[test]
fn points_stay_within_the_axes() {
    let svg = plot();
    for circle in svg.lines().filter(|line| line.starts_with("<circle")) {
        let value = |key: &str| -> f64 {
            let from = circle.split_once(key).unwrap().1;
            from.split_once('"').unwrap().0.parse().unwrap()
        };
        let (x, y) = (value("cx=\""), value("cy=\""));
        assert!((LEFT..=RIGHT).contains(&x), "{circle}");
        assert!((TOP..=BOTTOM).contains(&y), "{circle}");
    }
}

#[test]
fn both_backgrounds_have_colours() {
    let svg = plot();
    assert!(svg.contains("prefers-color-scheme: dark"));
    for (light, dark) in COLOURS {
        assert!(svg.contains(light) && svg.contains(dark));
    }
}

#[test]
fn nothing_and_zero_are_not_drawn() {
    let axes = Axes {
        title: "",
        x: "",
        y: "",
    };
    assert_eq!(svg(&axes, &[]), None);
    let zero = Line {
        name: "zero".into(),
        points: vec![(1.0, 0.0)],
    };
    assert_eq!(svg(&axes, &[zero]), None);
    let one = Line {
        name: "one".into(),
        points: vec![(10.0, 10.0)],
    };
    elements(&svg(&axes, &[one]).unwrap());
}
