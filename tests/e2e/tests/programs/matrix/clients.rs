//! The clients. Each is a library of a language with a script that takes its name.

use super::{Program, language::Language};

pub(super) const CLIENTS: [Program; 12] = [
    client("curl", Language::Shell),
    client("wget", Language::Shell),
    client("http.client", Language::Python),
    client("urllib.request", Language::Python),
    client("requests", Language::Python),
    client("httpx", Language::Python),
    client("urllib3", Language::Python),
    client("aiohttp", Language::Python),
    client("node-http", Language::Node),
    client("node-fetch", Language::Node),
    client("HTTP::Tiny", Language::Perl),
    client("java", Language::Java),
];

const fn client(name: &'static str, language: Language) -> Program {
    Program { name, language }
}

impl AsRef<str> for Program {
    fn as_ref(&self) -> &str {
        self.name
    }
}
