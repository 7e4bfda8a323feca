//! Notes under a span, on lines of their own so that no column cuts them: the translation of its
//! connection, and its problems. In: a span. Out: notes. Knows no layout.

use tracer_semconv::Side;

use super::line::Ink;
use crate::problem;
use crate::span::{Facts, Span};
use crate::text::Text;
use crate::translation;
use crate::tree::Detached;

/// A line under a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) ink: Ink,
    pub(super) text: String,
    /// Added to the line if it fits.
    pub(super) more: Option<String>,
    /// Whether `more` gets a line of its own when it does not fit; else it is left out.
    pub(super) more_wraps: bool,
}

impl Note {
    pub(super) fn plain(ink: Ink, text: String) -> Self {
        Self {
            ink,
            text,
            more: None,
            more_wraps: true,
        }
    }
}

/// The problems of a span, and why it is apart from its parent; the exclamation mark marks them without colour, too.
pub(super) fn problems(span: &Span, detached: Option<Detached>) -> Vec<Note> {
    let all = problem::problems(span, detached).into_iter();
    all.map(|text| Note::plain(Ink::Problem, format!("! {text}")))
        .collect()
}

/// The side and node of a half, where no agent sent the other half.
pub(super) fn half(span: &Span) -> Option<Note> {
    let half = span.half()?;
    let other = match half {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    let of_node = span
        .resource
        .node()
        .map_or_else(String::new, |node| format!(", {node}"));
    Some(Note::plain(
        Ink::Faint,
        format!("only the {half}'s node{of_node}: nothing came from an agent on the {other}'s"),
    ))
}

/// Whether a span has a problem that the hops of its exchange may explain.
pub(super) fn has_problem(span: &Span) -> bool {
    let lost = |f: &Facts| f.retransmits > 0 || f.drop_reason.is_some() || f.drop_hop.is_some();
    span.data_plane().is_some() && (span.failure.is_some() || span.facts().is_some_and(lost))
}

/// The translation of a connection. `pod` is the answering pod by other spans.
pub(super) fn translation(span: &Span, pod: Option<&Text>) -> Option<Note> {
    let known = translation::translation(span, pod)?;
    Some(match (known.addresses.is_empty(), known.rule) {
        (true, rule) => Note::plain(Ink::Faint, rule?),
        (false, more) => Note {
            ink: Ink::Faint,
            text: known.addresses,
            more,
            more_wraps: true,
        },
    })
}

/// Whether `span` has values of a translation that differ from those of the span above.
pub(super) fn translates_otherwise(span: &Span, above: &Span) -> bool {
    let fields = |f: &Facts| {
        [
            &f.nat_original,
            &f.nat_translated,
            &f.nat_masquerade,
            &f.rule,
        ]
        .map(Option::clone)
    };
    let known = above.facts().map(fields).unwrap_or_default();
    let own = span.facts().map(fields).unwrap_or_default();
    own.iter()
        .zip(&known)
        .any(|(own, known)| own.is_some() && own != known)
}
