//! The servers. Each answers 200, about 1 MB to `/large`, and 404 to `/missing`.

use std::path::Path;

use hopspan_lab::{Pod, find_program};

use super::{
    super::{
        APACHE, HAPROXY, NGINX, apache,
        fixture::{PORT, ProgramFixture},
        haproxy, nginx,
    },
    Program,
    language::Language,
};

/// A server: a program with a configuration, or a library.
pub(super) enum Server {
    Nginx,
    Apache,
    Haproxy,
    Library(Program),
}

pub(super) const SERVERS: [Server; 10] = [
    Server::Nginx,
    Server::Apache,
    Server::Haproxy,
    library("http.server", Language::Python),
    library("aiohttp.web", Language::Python),
    library("uvicorn", Language::Python),
    library("gunicorn", Language::Python),
    library("waitress", Language::Python),
    library("werkzeug", Language::Python),
    library("node", Language::Node),
];

const fn library(name: &'static str, language: Language) -> Server {
    Server::Library(Program { name, language })
}

impl Server {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nginx => NGINX.0,
            Self::Apache => APACHE.0,
            Self::Haproxy => HAPROXY.0,
            Self::Library(library) => library.name,
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
            Self::Nginx => {
                let blocks = format!(
                    "server {{
                        listen {PORT};
                        root {files};
                        location = /missing {{ return 404; }}
                        location = /large {{ }}
                        location / {{ return 200 \"served\\n\"; }}
                    }}"
                );
                nginx::keep(fixture, pod, &blocks);
            }
            // It answers a POST request with the body of the request.
            Self::Apache => apache::start(
                fixture,
                pod,
                &["alias", "reflector", "status"],
                &format!(
                    "Alias /large {files}/large
                    RedirectMatch 404 ^/missing
                    <Location \"/small\">
                        SetHandler server-status
                    </Location>
                    <Location \"/post\">
                        SetHandler reflector
                    </Location>"
                ),
            ),
            // A returned file has to fit into a buffer.
            Self::Haproxy => haproxy::start(
                fixture,
                pod,
                "tune.bufsize 2097152",
                &format!(
                    "http-request return status 404 if {{ path /missing }}
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
