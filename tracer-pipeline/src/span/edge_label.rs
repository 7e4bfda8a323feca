//! The ends of an edge as label values of metrics.
//!
//! In: an end of an edge. Out: a label that is equal to another where their texts are: a service
//! may be known by kube-proxy's rules at one time, and by the API at another. Copies no text, so
//! that looking up a series allocates nothing.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::LazyLock,
};

use super::EdgeEnd;

/// The value of a label.
#[derive(Clone, Debug)]
pub struct EdgeLabel(EdgeEnd);

impl EdgeLabel {
    /// The label of an end. An address is `unknown`: there are too many for labels.
    pub fn of(end: EdgeEnd) -> Self {
        match end {
            EdgeEnd::Host(_) | EdgeEnd::Socket(_) => UNKNOWN.clone(),
            EdgeEnd::Named(..) | EdgeEnd::Ruled(_) => Self(end),
        }
    }

    /// The label of all edges together.
    pub(super) fn all() -> Self {
        ALL.clone()
    }

    /// The label of edges without series of their own.
    pub(super) fn other() -> Self {
        OTHER.clone()
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (namespace, name) = match &self.0 {
            EdgeEnd::Named(namespace, name) => (namespace.as_deref(), &**name),
            EdgeEnd::Ruled(name) => (None, &**name),
            // `of` lets none through.
            EdgeEnd::Host(_) | EdgeEnd::Socket(_) => (None, ""),
        };
        let namespace = namespace.map(|namespace| namespace.bytes().chain([b'/']));
        namespace.into_iter().flatten().chain(name.bytes())
    }
}

impl PartialEq for EdgeLabel {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for EdgeLabel {}

impl Hash for EdgeLabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.bytes() {
            state.write_u8(byte);
        }
        // Ends the text, as that of `str` does.
        state.write_u8(0xff);
    }
}

impl fmt::Display for EdgeLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

static ALL: LazyLock<EdgeLabel> = LazyLock::new(|| fixed("all"));
static OTHER: LazyLock<EdgeLabel> = LazyLock::new(|| fixed("other"));
static UNKNOWN: LazyLock<EdgeLabel> = LazyLock::new(|| fixed("unknown"));

fn fixed(text: &str) -> EdgeLabel {
    EdgeLabel(EdgeEnd::Named(None, text.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_equal_by_their_text() {
        let ends = [
            EdgeEnd::Named(Some("shop".into()), "web".into()),
            EdgeEnd::Ruled("shop/web".into()),
            EdgeEnd::Named(None, "shop/web".into()),
            EdgeEnd::Ruled("shop/web:http".into()),
            EdgeEnd::Host("10.0.0.1".parse().unwrap()),
            EdgeEnd::Socket("10.0.0.1:80".parse().unwrap()),
        ];
        let labels: HashSet<EdgeLabel> = ends.into_iter().map(EdgeLabel::of).collect();
        let mut texts: Vec<String> = labels.iter().map(EdgeLabel::to_string).collect();
        texts.sort();
        assert_eq!(texts, ["shop/web", "shop/web:http", "unknown"]);
    }
}
