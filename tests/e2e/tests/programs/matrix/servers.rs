//! The servers. Each answers 200, about 1 MB to `/large`, and 404 to `/missing`; those of gRPC answer
//! OK, and NOT_FOUND to `Missing`.

use std::path::Path;

use hopspan_lab::{Pod, find_program};

use super::{
    super::{
        APACHE, HAPROXY, NGINX, apache,
        fixture::{PORT, ProgramFixture},
        haproxy,
        nginx::{self, Http},
    },
    Program, Protocol,
    language::Language,
};

/// A server: a program with a configuration, or a library.
pub(super) enum Server {
    Nginx(Http),
    Apache(Http),
    Haproxy(Http),
    Library(Program),
}

pub(super) const SERVERS: [Server; 17] = [
    Server::Nginx(Http::One),
    Server::Apache(Http::One),
    Server::Haproxy(Http::One),
    library("http.server", Language::Python, Protocol::Http1),
    library("aiohttp.web", Language::Python, Protocol::Http1),
    library("uvicorn", Language::Python, Protocol::Http1),
    library("gunicorn", Language::Python, Protocol::Http1),
    library("waitress", Language::Python, Protocol::Http1),
    library("werkzeug", Language::Python, Protocol::Http1),
    library("node", Language::Node, Protocol::Http1),
    Server::Nginx(Http::Two),
    Server::Apache(Http::Two),
    Server::Haproxy(Http::Two),
    library("hypercorn", Language::Python, Protocol::Http2),
    library("node-http2", Language::Node, Protocol::Http2),
    library("grpcio", Language::Python, Protocol::Grpc),
    library("grpc-js", Language::Node, Protocol::Grpc),
];

const fn library(name: &'static str, language: Language, protocol: Protocol) -> Server {
    Server::Library(Program {
        name,
        language,
        protocol,
    })
}

impl Server {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nginx(_) => NGINX.0,
            Self::Apache(_) => APACHE.0,
            Self::Haproxy(_) => HAPROXY.0,
            Self::Library(library) => library.name,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Nginx(Http::One) | Self::Apache(Http::One) | Self::Haproxy(Http::One) => {
                Protocol::Http1
            }
            Self::Nginx(Http::Two) | Self::Apache(Http::Two) | Self::Haproxy(Http::Two) => {
                Protocol::Http2
            }
            Self::Library(library) => library.protocol,
        }
    }

    /// # Errors
    /// Why this machine cannot run it.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Self::Library(library) = self {
            return library.language.check_server(library.name);
        }
        let is_there = find_program(self.name()).is_some();
        is_there
            .then_some(())
            .ok_or_else(|| format!("{} is not on PATH", self.name()))
    }

    /// Starts it in a pod. `files` has the file `large`.
    pub(super) fn start(&self, fixture: &mut ProgramFixture, pod: &Pod, files: &Path) {
        let files = files.display();
        match self {
            Self::Nginx(http) => {
                // curl 7.88 fails where HTTP/2 answers before the body has come: this waits for it.
                let (protocol, post) = match http {
                    Http::One => ("", ""),
                    Http::Two => (
                        "http2",
                        "location = /post {
                            proxy_pass http://127.0.0.1:8081;
                            proxy_set_header traceparent \"\";
                        }",
                    ),
                };
                let blocks = format!(
                    "server {{
                        listen 127.0.0.1:8081;
                        return 200 \"served\\n\";
                    }}
                    server {{
                        listen {PORT} {protocol};
                        root {files};
                        {post}
                        location = /missing {{ return 404; }}
                        location = /large {{ }}
                        location / {{ return 200 \"served\\n\"; }}
                    }}"
                );
                nginx::keep(fixture, pod, &blocks);
            }
            // It answers a POST request with the body of the request.
            Self::Apache(http) => apache::start(
                fixture,
                pod,
                &["alias", "reflector", "status", "http2"],
                &format!(
                    "Protocols {}
                    Alias /large {files}/large
                    RedirectMatch 404 ^/missing
                    <Location \"/small\">
                        SetHandler server-status
                    </Location>
                    <Location \"/post\">
                        SetHandler reflector
                    </Location>",
                    match http {
                        Http::One => "http/1.1",
                        Http::Two => "h2c",
                    }
                ),
            ),
            // A returned file has to fit into a buffer.
            Self::Haproxy(http) => haproxy::start(
                fixture,
                pod,
                *http,
                "tune.bufsize 2097152",
                &format!(
                    "option http-buffer-request
    http-request return status 404 if {{ path /missing }}
    http-request return status 200 content-type text/plain file {files}/large if {{ path /large }}
    http-request return status 200 content-type text/plain string served"
                ),
            ),
            Self::Library(library) => {
                let command = library.language.server(library.name);
                let server = pod
                    .command(find_program(&command[0]).unwrap())
                    .args(&command[1..])
                    .arg(PORT.to_string())
                    .spawn()
                    .unwrap();
                fixture.keep(server);
            }
        }
    }
}

impl AsRef<str> for Server {
    fn as_ref(&self) -> &str {
        self.name()
    }
}
