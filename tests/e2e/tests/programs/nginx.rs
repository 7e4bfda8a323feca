//! nginx in a pod: as a server, and as a reverse proxy that keeps its connections.

use hopspan_lab::{Nginx, Pod, find_program, kube_proxy::Service};

use super::fixture::{PORT, ProgramFixture};

/// The protocol of a server's clients.
#[derive(Clone, Copy)]
pub(crate) enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2 with prior knowledge.
    Two,
}

/// Requests after which the proxy opens another connection to its upstream.
pub(crate) const UPSTREAM_REQUESTS: usize = 4;

/// Answers 200, `/missing` with 404, and names its pod's address in a header.
pub(crate) fn serve(fixture: &mut ProgramFixture, pod: &Pod, http: Http) {
    let protocol = match http {
        Http::One => "",
        Http::Two => "http2",
    };
    keep(
        fixture,
        pod,
        &format!(
            "server {{
        listen {PORT} {protocol};
        add_header x-served-by $server_addr always;
        location = /missing {{ return 404; }}
        location / {{ return 200 \"served\\n\"; }}
    }}"
        ),
    );
}

/// Forwards every request to a service, over connections that are kept.
pub(crate) fn proxy(fixture: &mut ProgramFixture, pod: &Pod, to: &Service) {
    keep(
        fixture,
        pod,
        &format!(
            "upstream service {{
        server {};
        keepalive 4;
        keepalive_requests {UPSTREAM_REQUESTS};
    }}
    server {{
        listen {PORT};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}",
            to.address()
        ),
    );
}

/// Starts one worker, so that the connections which are kept are all its own.
pub(crate) fn keep(fixture: &mut ProgramFixture, pod: &Pod, blocks: &str) {
    let nginx = Nginx {
        program: &find_program("nginx").unwrap(),
        directory: &fixture.directory(pod.name()),
        workers: 1,
        blocks,
    };
    fixture.keep(nginx.start(pod).unwrap());
}
