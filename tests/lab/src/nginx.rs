//! nginx in a pod. In: what it serves, as blocks of its configuration. Out: a process that starts
//! to listen.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pod::Pod;
use crate::process::Process;

/// How to run an nginx.
#[derive(Debug, Clone, Copy)]
pub struct Nginx<'a> {
    /// The program, by its path or its name on PATH.
    pub program: &'a Path,
    /// A directory for its configuration and its temporary files; made where there is none.
    pub directory: &'a Path,
    /// Worker processes: each has its own connections to upstreams.
    pub workers: usize,
    /// `server` and `upstream` blocks.
    pub blocks: &'a str,
}

impl Nginx<'_> {
    /// Starts it in a pod.
    ///
    /// # Errors
    /// When the configuration cannot be written, or the program cannot be executed.
    pub fn start(&self, pod: &Pod) -> Result<Process> {
        let Self {
            program,
            directory,
            workers,
            blocks,
        } = self;
        let configuration = format!(
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
                {blocks}
            }}"
        );
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).with_context(|| format!("write {}", file.display()))?;
        pod.command(program)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(directory)
            .spawn()
    }
}
