//! The token that `/metrics` is for.
//!
//! In: a file, and the header Authorization (RFC 6750). Out: whether the header has the file's
//! content. The file is read at each use, because Kubernetes replaces the files of a secret.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use axum::http::HeaderValue;

/// A token in a file.
#[derive(Debug)]
pub(super) struct Token {
    file: PathBuf,
}

impl Token {
    /// The token in this file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has no token.
    pub(super) fn of_file(file: PathBuf) -> anyhow::Result<Self> {
        let name = file.display();
        let text =
            fs::read_to_string(&file).with_context(|| format!("read --metrics-token {name}"))?;
        ensure!(
            !text.trim().is_empty(),
            "--metrics-token {name}: the file is empty"
        );
        Ok(Self { file })
    }

    /// Whether `header` is `Bearer TOKEN`. No header has a token that cannot be read.
    pub(super) fn is_in(&self, header: Option<&HeaderValue>) -> bool {
        let Ok(text) = fs::read_to_string(&self.file) else {
            return false;
        };
        let wanted = text.trim().as_bytes();
        let given = header.map(HeaderValue::as_bytes).unwrap_or_default();
        let Some((scheme, given)) = given.split_at_checked(b"Bearer ".len()) else {
            return false;
        };
        !wanted.is_empty() && scheme.eq_ignore_ascii_case(b"Bearer ") && are_equal(given, wanted)
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_of_the_file_is_the_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Token::of_file(file.path().to_owned()).is_err());
        fs::write(file.path(), "secret\n").unwrap();
        let token = Token::of_file(file.path().to_owned()).unwrap();
        let check = |header: &str, expected: bool| {
            let header = HeaderValue::from_str(header).unwrap();
            assert_eq!(token.is_in(Some(&header)), expected, "{header:?}");
        };
        check("Bearer secret", true);
        check("bearer secret", true);
        for wrong in [
            "",
            "secret",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic  secret",
        ] {
            check(wrong, false);
        }
        assert!(!token.is_in(None));
        fs::write(file.path(), "other").unwrap();
        check("Bearer secret", false);
        check("Bearer other", true);
        fs::remove_file(file.path()).unwrap();
        check("Bearer other", false);
    }
}
