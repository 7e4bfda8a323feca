//! haproxy in a pod: in front of a service, or with answers of its own.

use std::fs;

use hopspan_lab::{Pod, find_program, kube_proxy::Service};

use super::{
    fixture::{PORT, ProgramFixture},
    nginx::Http,
};

/// Accepts HTTP/1.1 and forwards every request to a service, which speaks `http`.
pub(crate) fn proxy(fixture: &mut ProgramFixture, pod: &Pod, to: &Service, http: Http) {
    let protocol = match http {
        Http::One => "",
        Http::Two => "proto h2",
    };
    let rules = format!(
        "default_backend service
backend service
    http-reuse always
    server service {} {protocol}",
        to.address()
    );
    start(fixture, pod, "", &rules);
}

/// Starts one thread, with a global setting and with what its only frontend does with requests.
pub(crate) fn start(fixture: &mut ProgramFixture, pod: &Pod, global: &str, rules: &str) {
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
    bind 0.0.0.0:{PORT}
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
