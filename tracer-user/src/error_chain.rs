//! An error and its causes on one line.

use std::error::Error;

/// The error and its causes, outermost first, joined by ": ". Leaves out a cause whose text is
/// already in the line, because some libraries repeat it in their own.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    for cause in causes.map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Option<Box<Link>> {
        let (text, causes) = texts.split_first()?;
        let source = chain(causes);
        Some(Box::new(Link { text, source }))
    }

    #[test]
    fn causes_follow_the_error_each_once() {
        let error = chain(&["attach", "bpf_link_create: refused", "refused", "errno 1"]).unwrap();
        assert_eq!(
            error_chain(&*error),
            "attach: bpf_link_create: refused: errno 1"
        );
    }
}
