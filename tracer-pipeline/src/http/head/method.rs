//! Request methods as OpenTelemetry names them. In: the method token. Out: a [`Method`].

use std::fmt;

/// Longest unknown method that is stored, in bytes. The longest method registered with IANA has 17.
const ORIGINAL_MAX_BYTES: usize = 32;

/// A request method. Methods are case-sensitive (RFC 9110 section 9.1), so `get` is an unknown one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is its method's name")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other method, as it was sent, cut to 32 bytes.
    Other(Box<str>),
}

impl Method {
    /// Reads a method token. The caller has checked that it is ASCII.
    pub(crate) fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            other => Self::Other(other.chars().take(ORIGINAL_MAX_BYTES).collect()),
        }
    }

    /// The value of `http.request.method`: one of the methods of RFC 9110, `PATCH`, or `_OTHER`.
    /// Source: OpenTelemetry semantic conventions for HTTP spans.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(_) => "_OTHER",
        }
    }

    /// The value of `http.request.method_original`: set for an unknown method only, at most 32
    /// bytes.
    #[must_use]
    pub fn original(&self) -> Option<&str> {
        match self {
            Self::Other(original) => Some(original),
            _ => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: &str, name: &str, original: Option<&str>) {
        let method = Method::from_token(token);
        assert_eq!((method.as_str(), method.original()), (name, original));
    }

    #[test]
    fn known_methods_keep_their_name_and_others_are_other() {
        for known in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
        ] {
            check(known, known, None);
        }
        check("get", "_OTHER", Some("get"));
        check("PROPFIND", "_OTHER", Some("PROPFIND"));
        check(&"A".repeat(5000), "_OTHER", Some(&"A".repeat(32)));
    }
}
