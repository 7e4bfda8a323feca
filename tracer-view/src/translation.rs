//! The translation of a connection in words. In: a span. Out: its addresses, and the rule that chose
//! the endpoint. Pure; knows no layout.

use crate::span::Span;
use crate::text::Text;

/// What is known of a span's translation.
pub(crate) struct Translation {
    /// `10.96.0.11:8081 → 10.244.1.3:8081 (customer-0)`; empty where only the rule is known.
    pub(crate) addresses: String,
    /// `by KUBE-SERVICES > …`.
    pub(crate) rule: Option<String>,
}

/// The translation of a connection, or the address that was not translated. `pod` is the answering
/// pod by other spans.
pub(crate) fn translation(span: &Span, pod: Option<&Text>) -> Option<Translation> {
    let facts = span.facts()?;
    let mut addresses = match (
        &facts.nat_original,
        &facts.nat_translated,
        &facts.destination,
    ) {
        (Some(original), Some(translated), _) => format!("{original} → {translated}"),
        (None, Some(only), _) | (Some(only), None, _) => format!("→ {only}"),
        (None, None, Some(destination)) => format!("→ {destination}"),
        (None, None, None) => String::new(),
    };
    if let Some(pod) = facts.pod.as_ref().or(pod).filter(|_| !addresses.is_empty()) {
        addresses.push_str(&format!(" ({pod})"));
    }
    if let Some(source) = &facts.nat_masquerade {
        let separator = if addresses.is_empty() { "" } else { ", " };
        addresses.push_str(&format!("{separator}masqueraded as {source}"));
    }
    let rule = facts.rule.as_ref().map(|rule| format!("by {rule}"));
    let is_known = !addresses.is_empty() || rule.is_some();
    is_known.then_some(Translation { addresses, rule })
}
