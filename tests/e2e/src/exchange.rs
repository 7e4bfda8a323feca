//! An exchange, put together from its spans.
//!
//! In: the spans of a trace. Out: for each exchange of each agent its connect, request and
//! response, and what they say of it as one span: it begins with the first of them, lasts as long
//! as the exchange did, and has the attributes of the last.

use std::{collections::HashMap, ops::Deref};

use tracer_semconv::{attribute, incomplete};

use crate::{Span, Trace};

const PATHS: [&str; 3] = ["connect", "request", "response"];
/// What `hopspan.incomplete` says of messages, not of the hops of one path.
const OF_MESSAGES: [&str; 4] = [
    incomplete::REQUEST_HEAD,
    incomplete::RESPONSE,
    incomplete::RESPONSE_HEAD,
    incomplete::RESPONSE_END,
];

/// An exchange, as one agent saw it, or merged.
#[derive(Clone, Debug)]
pub struct Exchange<'t> {
    /// What its spans say of it.
    whole: Span,
    /// In the order of their start.
    paths: Vec<&'t Span>,
}

impl Deref for Exchange<'_> {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.whole
    }
}

impl Trace {
    /// The exchanges of each agent, in the order of their start.
    pub fn exchanges(&self) -> Vec<Exchange<'_>> {
        Exchange::all(self)
    }

    /// The exchanges below a span.
    pub fn exchanges_below(&self, parent: &Span) -> Vec<Exchange<'_>> {
        let mut exchanges = self.exchanges();
        exchanges.retain(|exchange| exchange.parent_id == parent.span_id);
        exchanges
    }

    /// The only exchange below a span.
    ///
    /// # Panics
    /// When there is none, or there are several.
    pub fn exchange_below(&self, parent: &Span) -> Exchange<'_> {
        let mut exchanges = self.exchanges_below(parent);
        assert_eq!(exchanges.len(), 1, "exchanges under {parent:#?}");
        exchanges.remove(0)
    }
}

impl<'t> Exchange<'t> {
    /// All exchanges of a trace, in the order of their start.
    fn all(trace: &'t Trace) -> Vec<Self> {
        let mut known = HashMap::new();
        let mut paths: Vec<Vec<&'t Span>> = Vec::new();
        for span in &trace.spans {
            let id = span.attribute(attribute::EXCHANGE_ID);
            if id.is_empty() || !PATHS.contains(&span.role()) {
                continue;
            }
            let half = span.attribute(attribute::HALF);
            let node = span.resource.get("k8s.node.name");
            let at = *known.entry((id, half, node)).or_insert(paths.len());
            match paths.get_mut(at) {
                Some(paths) => paths.push(span),
                None => paths.push(vec![span]),
            }
        }
        let mut all: Vec<Self> = paths.into_iter().map(Self::of).collect();
        // Of those in one packet the first to arrive stays first.
        all.sort_by_key(|exchange| exchange.start_ns);
        all
    }

    fn of(mut paths: Vec<&'t Span>) -> Self {
        paths.sort_by_key(|span| (span.start_ns, span.end_ns));
        let of_role = |role| {
            paths
                .iter()
                .copied()
                .find(|span: &&Span| span.role() == role)
        };
        let last = of_role("response").or_else(|| of_role("request"));
        let mut whole = Span::clone(last.unwrap_or_else(|| panic!("no request: {paths:#?}")));
        whole.start_ns = paths.iter().map(|span| span.start_ns).min().unwrap_or(0);
        let duration: Result<u64, _> = whole.attribute(attribute::EXCHANGE_DURATION_NS).parse();
        whole.end_ns = whole.start_ns + duration.expect("a duration");
        let incomplete: Vec<&str> = paths
            .iter()
            .flat_map(|span| span.attribute(attribute::INCOMPLETE).split(", "))
            .filter(|what| OF_MESSAGES.contains(what))
            .collect();
        whole.attributes.remove(attribute::INCOMPLETE);
        if !incomplete.is_empty() {
            let incomplete = incomplete.join(", ");
            whole
                .attributes
                .insert(attribute::INCOMPLETE.to_owned(), incomplete);
        }
        for span in &paths {
            assert_eq!(span.parent_id, whole.parent_id, "siblings: {paths:#?}");
            if let Some(shed) = span.attributes.get(attribute::SHED) {
                whole
                    .attributes
                    .insert(attribute::SHED.to_owned(), shed.clone());
            }
        }
        Self { whole, paths }
    }

    /// The spans of a role: at most one, unless two nodes saw it.
    pub fn paths(&self, role: &str) -> Vec<&'t Span> {
        let of_role = |span: &&&'t Span| span.role() == role;
        self.paths.iter().filter(of_role).copied().collect()
    }

    /// The only span of a role.
    ///
    /// # Panics
    /// When there is none, or there are several.
    pub fn path(&self, role: &str) -> &'t Span {
        let [span] = self.paths(role)[..] else {
            panic!("not one {role} of {self:#?}");
        };
        span
    }
}
