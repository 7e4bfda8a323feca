//! Splits a line of `iptables-save` into words. In: a line. Out: its words, unquoted. Knows no
//! option.
//!
//! Source of the quoting: iptables' `xtables_save_string`, which puts a string with anything but
//! plain characters into double quotes and a backslash before each quote and backslash in it.

use std::borrow::Cow;

use super::super::finding::Problem;

/// The rest of a line.
#[derive(Debug)]
pub(super) struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    pub(super) fn new(line: &'t str) -> Self {
        Self { rest: line }
    }

    /// The next word, or `None` at the end of the line.
    pub(super) fn next_word(&mut self) -> Result<Option<Cow<'t, str>>, Problem> {
        let rest = self.rest.trim_ascii_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, rest) = unquote(quoted).ok_or(Problem::UnendedQuote)?;
            self.rest = rest;
            return Ok(Some(word));
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        Ok((!word.is_empty()).then_some(Cow::Borrowed(word)))
    }

    /// The next word, which an option cannot do without.
    pub(super) fn value(&mut self) -> Result<Cow<'t, str>, Problem> {
        self.next_word()?.ok_or(Problem::NoValue)
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = quoted.find(['"', '\\'])?;
    if quoted[end..].starts_with('"') {
        return Some((Cow::Borrowed(&quoted[..end]), &quoted[end + 1..]));
    }
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(text), &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            plain => text.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<&[&str], Problem>) {
        let mut words = Words::new(line);
        let mut seen = Vec::new();
        let result = loop {
            match words.next_word() {
                Ok(Some(word)) => seen.push(word.into_owned()),
                Ok(None) => break Ok(seen),
                Err(problem) => break Err(problem),
            }
        };
        let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
        assert_eq!(result, expected, "{line:?}");
    }

    #[test]
    fn words_and_quotes() {
        check("", Ok(&[]));
        check(
            "  -A  KUBE-SERVICES\t-p tcp ",
            Ok(&["-A", "KUBE-SERVICES", "-p", "tcp"]),
        );
        check(
            r#"--comment "a b: c" -j X"#,
            Ok(&["--comment", "a b: c", "-j", "X"]),
        );
        check(r#""say \"a\\b\' \" -j ""#, Ok(&[r#"say "a\b' " -j "#]));
        check(r#""" x"#, Ok(&["", "x"]));
        check(r#"it"s"#, Ok(&[r#"it"s"#]));
        check("\"caf\u{e9} \\\u{e9}\"", Ok(&["caf\u{e9} \u{e9}"]));
    }

    #[test]
    fn unended_quotes() {
        for line in [r#"""#, r#""a b"#, r#"a "b\""#, r#""a\"#] {
            check(line, Err(Problem::UnendedQuote));
        }
    }
}
