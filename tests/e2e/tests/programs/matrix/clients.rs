//! The clients. Each is a library of a language with a script that takes its name.

use super::{Program, Protocol, language::Language};

pub(super) const CLIENTS: [Program; 18] = [
    client("curl", Language::Shell, Protocol::Http1),
    client("wget", Language::Shell, Protocol::Http1),
    client("http.client", Language::Python, Protocol::Http1),
    client("urllib.request", Language::Python, Protocol::Http1),
    client("requests", Language::Python, Protocol::Http1),
    client("httpx", Language::Python, Protocol::Http1),
    client("urllib3", Language::Python, Protocol::Http1),
    client("aiohttp", Language::Python, Protocol::Http1),
    client("node-http", Language::Node, Protocol::Http1),
    client("node-fetch", Language::Node, Protocol::Http1),
    client("HTTP::Tiny", Language::Perl, Protocol::Http1),
    client("java", Language::Java, Protocol::Http1),
    client("curl-h2", Language::Shell, Protocol::Http2),
    client("nghttp", Language::Shell, Protocol::Http2),
    client("httpx-h2", Language::Python, Protocol::Http2),
    client("node-http2", Language::Node, Protocol::Http2),
    client("grpcio", Language::Python, Protocol::Grpc),
    client("grpc-js", Language::Node, Protocol::Grpc),
];

const fn client(name: &'static str, language: Language, protocol: Protocol) -> Program {
    Program {
        name,
        language,
        protocol,
    }
}

impl AsRef<str> for Program {
    fn as_ref(&self) -> &str {
        self.name
    }
}
