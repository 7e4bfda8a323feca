//! nginx in a pod, for tests and benchmarks.
//!
//! In: the server blocks of its configuration. Out: a process, whose files are below a directory of
//! the caller's. Everything around the server blocks is written here and nowhere else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{Pod, Process, find_program};

/// How nginx is configured.
#[derive(Clone, Copy, Debug)]
pub struct NginxOptions<'a> {
    /// `worker_processes`. With one, all connections that it keeps to an upstream are of that
    /// process.
    pub workers: usize,
    /// The `server` and `upstream` blocks.
    pub servers: &'a str,
}

/// Starts nginx. `directory` must exist and belong to this nginx alone.
///
/// # Errors
/// When nginx is not installed or cannot be started, or its configuration cannot be written. A
/// configuration that nginx refuses is seen only when it is waited for: see
/// [`Process::wait_listening`].
pub fn start(pod: &Pod, directory: &Path, options: NginxOptions<'_>) -> Result<Process> {
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration(options))
        .with_context(|| format!("write {}", file.display()))?;
    let program = find_program("nginx").context("find nginx: install nginx-light")?;
    pod.command(program)
        .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(directory)
        .spawn()
}

fn configuration(options: NginxOptions<'_>) -> String {
    let NginxOptions { workers, servers } = options;
    format!(
        "daemon off;
user root;
worker_processes {workers};
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    {servers}
}}
"
    )
}
