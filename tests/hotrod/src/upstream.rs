//! The address of a service. In: an `http` URL from the command line. Out: the address to connect
//! to and the value of `Host`.

use std::fmt;
use std::io;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::{SERVER_ADDRESS, SERVER_PORT};
use tokio::net::TcpStream;

/// A service to call, `http://HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    authority: Authority,
    port: u16,
}

/// Why a text is not an [`Upstream`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a service address; write http://HOST:PORT, without path")]
pub(crate) struct UpstreamError {
    text: String,
}

impl Upstream {
    /// `HOST[:PORT]` as on the command line, for the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// `server.address` and `server.port`.
    pub(crate) fn attributes(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(SERVER_ADDRESS, self.host().to_owned()),
            KeyValue::new(SERVER_PORT, i64::from(self.port)),
        ]
    }

    /// Opens a TCP connection with TCP_NODELAY: a small request is sent at once, also while other
    /// data is unacknowledged.
    ///
    /// # Errors
    /// Those of name resolution and `connect(2)`.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The host without the brackets a URL puts around an IPv6 address.
    fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |text: &str| {
            let uri: Uri = text.parse().ok()?;
            let plain =
                uri.scheme() == Some(&Scheme::HTTP) && uri.path() == "/" && uri.query().is_none();
            let authority = uri
                .authority()
                .filter(|authority| plain && !authority.as_str().contains('@'))?;
            Some(Self {
                port: authority.port_u16().unwrap_or(80),
                authority: authority.clone(),
            })
        };
        parse(text).ok_or_else(|| UpstreamError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u16)>) {
        let parsed = text.parse::<Upstream>().ok();
        let parts = parsed
            .as_ref()
            .map(|upstream| (upstream.host(), upstream.port));
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn upstreams_are_http_urls_without_a_path() {
        check("http://10.96.0.11:8081", Some(("10.96.0.11", 8081)));
        check("http://10.96.0.11:8081/", Some(("10.96.0.11", 8081)));
        check("http://customer", Some(("customer", 80)));
        check("http://[fd00::1]:8081", Some(("fd00::1", 8081)));
        check("https://10.96.0.11:8081", None);
        check("10.96.0.11:8081", None);
        check("http://10.96.0.11:8081/customer", None);
        check("http://10.96.0.11:8081/?a=b", None);
        check("http://user@10.96.0.11:8081", None);
        check("http://", None);
        check("", None);
    }
}
