//! haproxy in a pod: in front of a service, or with answers of its own.

use std::fs;

use hopspan_lab::{Pod, find_program, kube_proxy::Service};

use super::{
    fixture::{PORT, ProgramFixture},
    nginx::Http,
};

/// Accepts HTTP/1.1 and forwards every request to a service, which speaks `http`.
pub(crate) fn proxy(fixture: &mut ProgramFixture, pod: &Pod, to: &Service, http: Http) {
    let protocol = http.haproxy();
    let rules = format!(
        "default_backend service
backend service
    http-reuse always
    server service {} {protocol}",
        to.address()
    );
    start(fixture, pod, Http::One, "", &rules);
}

impl Http {
    /// The option of an address that has only this protocol.
    fn haproxy(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Two => "proto h2",
        }
    }
}

/// Starts one thread, with a global setting and with what its only frontend, which speaks `http`,
/// does with requests.
pub(crate) fn start(
    fixture: &mut ProgramFixture,
    pod: &Pod,
    http: Http,
    global: &str,
    rules: &str,
) {
    let protocol = http.haproxy();
    let configuration = format!(
        "global
    nbthread 1
    {global}
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend in
    bind 0.0.0.0:{PORT} {protocol}
    {rules}
"
    );
    let path = fixture.directory(pod.name()).join("haproxy.cfg");
    fs::write(&path, configuration).unwrap();
    let process = pod
        .command(find_program("haproxy").unwrap())
        .args(["-db", "-f"])
        .arg(path)
        .spawn()
        .unwrap();
    fixture.keep(process);
}
