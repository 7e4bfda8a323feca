//! A collector's words as a part of a log line. In: any text. Out: a short one without control
//! characters, which cannot forge lines or write to a terminal.

/// How much is kept.
const MAX_CHARS: usize = 300;

/// The text on one line, without control characters, and no longer than a few lines.
pub(super) fn printable(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CHARS)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collectors_words_are_one_short_line() {
        assert_eq!(
            printable("quota\r\nERROR forged\x1b[2J "),
            "quota  ERROR forged [2J"
        );
        assert_eq!(printable(&"ü".repeat(400)).chars().count(), MAX_CHARS + 1);
    }
}
