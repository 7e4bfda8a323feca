//! Text that is safe to print. In: any string from the network. Out: a bounded string without
//! control or direction characters. Knows no terminal and no colour. [`Text::clean`] is the only
//! way to make a `Text`, so no other code checks.

use std::fmt;
use std::sync::Arc;

use unicode_width::UnicodeWidthChar;

/// A name or value from a span: at most [`Text::MAX_CHARS`] characters, of which none moves a
/// terminal's cursor, changes its colours or reverses the order of characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// Longer input is cut at this length and gets an ellipsis.
    pub const MAX_CHARS: usize = 256;

    /// Makes `raw` printable: every control, direction or invisible character becomes U+FFFD.
    pub fn clean(raw: &str) -> Self {
        let mut clean = String::with_capacity(raw.len().min(Self::MAX_CHARS * 4));
        let mut marks = 0;
        for (count, c) in raw.chars().enumerate() {
            if count == Self::MAX_CHARS {
                clean.push('…');
                break;
            }
            marks = if cells(c) == 0 { marks + 1 } else { 0 };
            clean.push(if is_unprintable(c) || marks > MAX_COMBINING_MARKS {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            });
        }
        Self(clean.into())
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Enough for every written language. More marks on one letter would overlap the lines above.
const MAX_COMBINING_MARKS: usize = 3;

/// Terminal cells that one character takes: 0, 1 or 2.
pub(crate) fn cells(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Terminal cells that a printable string takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Cuts `text` to `max` cells with `ellipsis` in its middle, because both ends of a name
/// distinguish it from others.
pub(crate) fn shorten_middle(text: &str, max: usize, ellipsis: &str) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(width(ellipsis));
    let head = take_cells(text.chars(), room.div_ceil(2));
    let tail: String = take_cells(text.chars().rev(), room / 2)
        .chars()
        .rev()
        .collect();
    let ellipsis = take_cells(ellipsis.chars(), max);
    format!("{head}{ellipsis}{tail}")
}

/// Cuts `text` to `max` cells with `ellipsis` at its end.
pub(crate) fn shorten_end(text: &str, max: usize, ellipsis: &str) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let head = take_cells(text.chars(), max.saturating_sub(width(ellipsis)));
    format!("{head}{}", take_cells(ellipsis.chars(), max))
}

fn take_cells(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|&c| {
            used += cells(c);
            used <= max
        })
        .collect()
}

/// Control characters, the line and paragraph separators, and the format characters that reorder,
/// join or hide text (Unicode Standard, sections 23.1 to 23.4 and 23.9).
fn is_unprintable(c: char) -> bool {
    let format = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    c.is_control() || format.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_replaced() {
        let check = |raw: &str, expected: &str| assert_eq!(Text::clean(raw).as_str(), expected);
        check("GET /customer", "GET /customer");
        check(
            "\u{1b}[2Jgone\r\n\t",
            "\u{fffd}[2Jgone\u{fffd}\u{fffd}\u{fffd}",
        );
        check("\u{9b}31m", "\u{fffd}31m");
        check(
            "a\u{202e}b\u{2028}c\u{200d}d",
            "a\u{fffd}b\u{fffd}c\u{fffd}d",
        );
        check("Größe 大小 ไทย", "Größe 大小 ไทย");
        check(
            "e\u{301}\u{301}\u{301}\u{301}",
            "e\u{301}\u{301}\u{301}\u{fffd}",
        );
    }

    #[test]
    fn long_input_is_bounded() {
        let text = Text::clean(&"x".repeat(100_000));
        assert_eq!(text.as_str().chars().count(), Text::MAX_CHARS + 1);
        assert!(text.as_str().ends_with("x…"));
        assert_eq!(
            Text::clean(&"y".repeat(Text::MAX_CHARS)).as_str(),
            "y".repeat(Text::MAX_CHARS)
        );
    }

    #[test]
    fn shortening_keeps_both_ends_and_the_width() {
        let check = |text: &str, max: usize, expected: &str| {
            assert_eq!(shorten_middle(text, max, "…"), expected);
        };
        check("netfilter.prerouting", 20, "netfilter.prerouting");
        check("netfilter.prerouting", 9, "netf…ting");
        check("netfilter.prerouting", 1, "…");
        check("netfilter.prerouting", 0, "");
        check("大小大小大小", 6, "大…小");
        assert_eq!(shorten_middle("abcdefgh", 5, ".."), "ab..h");
    }
}
