//! nginx in a pod: as a server, and as a reverse proxy that keeps its connections.

use std::fs;

use hopspan_lab::{Pod, Process, kube_proxy::Service};

use crate::{
    available::find,
    fixture::{PORT, Stage},
};

/// What a server's clients speak.
#[derive(Clone, Copy)]
pub(crate) enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2 with prior knowledge.
    Two,
}

/// Requests after which the proxy opens another connection to its upstream.
pub(crate) const UPSTREAM_REQUESTS: usize = 4;

/// Answers 200, `/missing` with 404, and says in a header which pod it is.
pub(crate) fn serve(stage: &mut Stage, pod: &Pod, http: Http) {
    let protocol = match http {
        Http::One => "",
        Http::Two => "http2",
    };
    let server = format!(
        "server {{
            listen {PORT} {protocol};
            add_header x-served-by $server_addr always;
            location = /missing {{ return 404; }}
            location / {{ return 200 \"served\\n\"; }}
        }}"
    );
    let process = start(stage, pod, &server);
    stage.keep(process);
}

/// Passes every request on to a service, over connections that are kept.
pub(crate) fn proxy(stage: &mut Stage, pod: &Pod, to: &Service) {
    let server = format!(
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
    );
    let process = start(stage, pod, &server);
    stage.keep(process);
}

/// One worker, so that the connections that are kept are all its own; files below a directory of
/// the scene.
fn start(stage: &Stage, pod: &Pod, server: &str) -> Process {
    let directory = stage.directory(pod.name());
    let configuration = format!(
        "daemon off;
        user root;
        worker_processes 1;
        pid nginx.pid;
        error_log stderr;
        events {{ worker_connections 1024; }}
        http {{
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            keepalive_requests 1000000;
            {server}
        }}"
    );
    fs::write(directory.join("nginx.conf"), configuration).unwrap();
    pod.command(find("nginx").unwrap())
        .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(&directory)
        .spawn()
        .unwrap()
}
