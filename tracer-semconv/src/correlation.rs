//! Values of [`attribute::CORRELATION`](crate::attribute::CORRELATION).

/// One request was being served when the connect began: the connect span is in the trace of that
/// request.
pub const INFERRED: &str = "inferred";
/// Several requests were being served when the connect began: the connect span has a trace of its
/// own, with a link to each of them.
pub const AMBIGUOUS: &str = "ambiguous";
