//! Names, durations and widths. In: text from the network, nanoseconds. Out: text that fits.

use tracer_view::text::Text;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text without control and direction characters, of a bounded length.
pub(crate) fn clean(text: &str) -> String {
    Text::clean(text).as_str().to_owned()
}

/// `412ns`, `84.1µs`, `734ms`, `1.23s`: three digits.
pub(crate) fn duration(ns: u64) -> String {
    let units = [("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    if ns < 1_000 {
        return format!("{ns}ns");
    }
    let fits = |(_, unit_ns): &&(&str, f64)| ns as f64 / unit_ns < 999.5;
    let (unit, unit_ns) = units.iter().find(fits).unwrap_or(&units[2]);
    let value = ns as f64 / unit_ns;
    let decimals = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

/// `22:09:13.123`, UTC.
pub(crate) fn time_of_day(unix_ns: u64) -> String {
    let ms = unix_ns / 1_000_000 % 86_400_000;
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{h:02}:{m:02}:{s:02}.{:03}", ms % 1_000)
}

/// `text` in exactly `cells` cells, from the left; what is too long is cut in its middle.
pub(crate) fn left(text: &str, cells: usize) -> String {
    let text = cut_middle(text, cells);
    format!("{text}{}", " ".repeat(cells.saturating_sub(text.width())))
}

/// The same, from the right.
pub(crate) fn right(text: &str, cells: usize) -> String {
    let text = cut_middle(text, cells);
    format!("{}{text}", " ".repeat(cells.saturating_sub(text.width())))
}

/// `text` in at most `cells` cells, with `…` in its middle: both ends tell names apart.
pub(crate) fn cut_middle(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let room = cells.saturating_sub(1);
    let head = take(text.chars(), room / 2);
    let tail: String = take(text.chars().rev(), room - room / 2)
        .chars()
        .rev()
        .collect();
    let ellipsis = if cells > 0 { "…" } else { "" };
    format!("{head}{ellipsis}{tail}")
}

/// `text` in at most `cells` cells, with `…` at its beginning: the ends of pods' names tell them apart.
pub(crate) fn cut_start(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let tail = take(text.chars().rev(), cells.saturating_sub(1));
    let ellipsis = if cells > 0 { "…" } else { "" };
    format!("{ellipsis}{}", tail.chars().rev().collect::<String>())
}

/// `text` in at most `cells` cells, with `…` at its end.
pub(crate) fn cut_end(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let ellipsis = if cells > 0 { "…" } else { "" };
    format!("{}{ellipsis}", take(text.chars(), cells.saturating_sub(1)))
}

fn take(chars: impl Iterator<Item = char>, cells: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= cells
    };
    chars.take_while(fits).collect()
}

/// A line of JSON in ASCII: what is beyond stands in strings only, where JSON has escapes for it, so
/// that no name writes to a terminal.
pub(crate) fn ascii_json(line: &str) -> String {
    let mut ascii = String::with_capacity(line.len());
    for c in line.chars() {
        if (' '..='~').contains(&c) {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            ascii.push_str(&format!("\\u{unit:04x}"));
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let check = |ns: u64, expected: &str| assert_eq!(duration(ns), expected);
        check(0, "0ns");
        check(999, "999ns");
        check(1_000, "1.00µs");
        check(84_120, "84.1µs");
        check(999_499, "999µs");
        check(999_500, "1.00ms");
        check(734_213_000, "734ms");
        check(1_234_000_000, "1.23s");
        check(3_600_000_000_000, "3600s");
        check(u64::MAX, "18446744074s");
    }

    #[test]
    fn the_time_of_day_is_utc() {
        assert_eq!(time_of_day(1_796_076_553_123_456_789), "22:09:13.123");
        assert_eq!(time_of_day(0), "00:00:00.000");
    }

    #[test]
    fn text_fits_its_cells() {
        assert_eq!(left("web", 5), "web  ");
        assert_eq!(right("web", 5), "  web");
        assert_eq!(left("frontend-x2x4k", 9), "fron…2x4k");
        assert_eq!(left("大小大小", 5), "大…小");
        assert_eq!(left("大小大小", 4).width(), 4);
        assert_eq!(cut_end("netfilter", 4), "net…");
        assert_eq!(cut_start("netfilter", 4), "…ter");
        assert_eq!(cut_middle("abc", 0), "");
    }

    #[test]
    fn json_is_ascii_and_the_same_value() {
        let line = "{\"path\":\"/\u{9b}31m\u{202e}Größe😀\u{7f}\"}";
        let ascii = ascii_json(line);
        assert!(
            ascii.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{ascii}"
        );
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&ascii), parse(line));
    }
}
