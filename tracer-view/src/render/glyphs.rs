//! The characters that lines are drawn with. In: a character set. Out: glyphs, and texts in that
//! set.

use std::borrow::Cow;

/// The characters that the terminal's locale can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Unicode.
    Utf8,
    /// ASCII.
    Ascii,
}

/// The kind of span that a mark or bar stands for. The mark before a name is the glyph of the
/// span's bar, so that the kinds differ without colour, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// An application's span.
    Application,
    /// A data-plane span, drawn on the trace's time line.
    DataPlane,
    /// A hop, drawn on the time line of its own path.
    Hop,
}

/// Tree lines, two cells each.
pub(super) struct Rails {
    pub(super) tee: &'static str,
    pub(super) corner: &'static str,
    pub(super) pipe: &'static str,
    pub(super) blank: &'static str,
    pub(super) deeper: &'static str,
}

impl Charset {
    /// `text`, which is printable, in the characters of the set.
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        if self == Self::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                'µ' => shown.push('u'),
                '→' => shown.push_str("->"),
                '…' => shown.push_str(".."),
                '·' => shown.push('|'),
                '±' => shown.push_str("+-"),
                c if c.is_ascii() => shown.push(c),
                _ => shown.push('?'),
            }
        }
        Cow::Owned(shown)
    }

    pub(super) fn ellipsis(self) -> &'static str {
        self.pick("…", "..")
    }

    pub(super) fn rails(self) -> Rails {
        match self {
            Self::Utf8 => Rails {
                tee: "├╴",
                corner: "└╴",
                pipe: "│ ",
                blank: "  ",
                deeper: "» ",
            },
            Self::Ascii => Rails {
                tee: "|-",
                corner: "`-",
                pipe: "| ",
                blank: "  ",
                deeper: "> ",
            },
        }
    }

    pub(super) fn mark(self, mark: Mark) -> &'static str {
        match mark {
            Mark::Application => self.pick("█", "#"),
            Mark::DataPlane => self.pick("━", "="),
            Mark::Hop => self.pick("░", "-"),
        }
    }

    /// The frame of a bar: hops have another scale and so another frame.
    pub(super) fn frame(self, mark: Mark) -> &'static str {
        match mark {
            Mark::Hop => self.pick("┊", ":"),
            Mark::Application | Mark::DataPlane => self.pick("│", "|"),
        }
    }

    fn pick(self, utf8: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Utf8 => utf8,
            Self::Ascii => ascii,
        }
    }
}
