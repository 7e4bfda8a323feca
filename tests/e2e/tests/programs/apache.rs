//! Apache httpd in a pod: as a server that upgrades to HTTP/2 on request, and as a proxy for
//! tunnels. It sets TCP_DEFER_ACCEPT (its AcceptFilter), so that the kernel makes the server's
//! socket only when the first request of a connection arrives.

use std::fs;

use hopspan_lab::{Pod, find_program};

use super::fixture::{PORT, ProgramFixture};

/// Where Debian's package installs its modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Answers 200, `/missing` with 404; HTTP/1.1, and HTTP/2 after `Upgrade: h2c`.
///
/// The answer to `/one` takes some 200 ms. Where the upgraded request is answered before the
/// client's preface arrives, Apache may consider the connection idle and end it with the client's
/// other requests (GOAWAY "timeout" within a millisecond, in 3 of 100 connections without hopspan).
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

/// Starts one process for all connections, with its files in a directory of its own.
pub(crate) fn start(fixture: &mut ProgramFixture, pod: &Pod, modules: &[&str], more: &str) {
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
        # That user may not read the fixture's directories.
        DocumentRoot /
        ErrorLog /dev/stderr
        Listen {PORT}
        # It refuses to serve as root; every Debian has this user.
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
