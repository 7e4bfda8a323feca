//! Apache httpd in a pod: as a server that goes over to HTTP/2 when it is asked to, and as a proxy
//! for tunnels. It sets TCP_DEFER_ACCEPT (its AcceptFilter), so that the first request of a connection
//! is what makes the server's socket.

use std::fs;

use hopspan_lab::{Pod, find_program};

use crate::fixture::{PORT, ProgramFixture};

/// Where Debian's package has them.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Answers 200, `/missing` with 404; HTTP/1.1, and HTTP/2 after `Upgrade: h2c`.
///
/// The answer to `/one` takes some 200 ms: where the upgraded request is answered before the client's
/// preface is there, Apache may take the connection for idle and end it (GOAWAY "timeout" within a
/// millisecond, in 3 of 100 connections without hopspan), and the client's other requests with it.
pub(crate) fn serve(fixture: &mut ProgramFixture, pod: &Pod) {
    start(
        fixture,
        pod,
        &["alias", "env", "ratelimit", "status", "http2"],
        "Protocols h2c http/1.1
        H2Upgrade on
        RedirectMatch 404 ^/missing
        <Location \"/\">
            SetHandler server-status
        </Location>
        <Location \"/one\">
            SetOutputFilter RATE_LIMIT
            SetEnv rate-limit 10
        </Location>",
    );
}

/// Opens tunnels to the port of services.
pub(crate) fn tunnel(fixture: &mut ProgramFixture, pod: &Pod) {
    start(
        fixture,
        pod,
        &["proxy", "proxy_connect"],
        &format!(
            "ProxyRequests On
            AllowCONNECT {PORT}"
        ),
    );
}

/// One process for all connections; files below a directory of the fixture.
fn start(fixture: &mut ProgramFixture, pod: &Pod, modules: &[&str], more: &str) {
    let directory = fixture.directory(pod.name());
    let load: String = ["mpm_event", "authz_core"]
        .iter()
        .chain(modules)
        .map(|module| format!("LoadModule {module}_module {MODULES}/mod_{module}.so\n"))
        .collect();
    let path = directory.display();
    let configuration = format!(
        "ServerRoot {path}
        ServerName localhost
        DefaultRuntimeDir {path}
        PidFile pid
        # The fixture's own directories are not that user's to look into.
        DocumentRoot /
        ErrorLog /dev/stderr
        Listen {PORT}
        # It refuses to serve as root; Debian has this user everywhere.
        User www-data
        Group www-data
        {load}
        StartServers 1
        ServerLimit 1
        ThreadsPerChild 25
        MaxRequestWorkers 25
        MinSpareThreads 1
        MaxSpareThreads 25
        {more}\n"
    );
    let file = directory.join("httpd.conf");
    fs::write(&file, configuration).unwrap();
    let process = pod
        .command(find_program("apache2").unwrap())
        .arg("-DFOREGROUND")
        .arg("-f")
        .arg(file)
        .spawn()
        .unwrap();
    fixture.keep(process);
}
