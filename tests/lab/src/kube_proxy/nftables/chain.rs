//! A chain as text for `nft -f`.

use crate::kube_proxy::text::push;

/// Adds a chain and its rules.
pub(super) fn push_chain<R: AsRef<str>>(
    text: &mut String,
    name: &str,
    rules: impl IntoIterator<Item = R>,
) {
    push(text, format_args!("\tchain {name} {{"));
    for rule in rules {
        push(text, format_args!("\t\t{}", rule.as_ref()));
    }
    push(text, format_args!("\t}}"));
}
