//! A running `hopspan watch --json`, and a client of the agent's port byte by byte.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use hopspan_e2e::binary;
use hopspan_lab::{Node, Process, Signal};
use serde_json::Value;

/// How long it may take to connect, and an exchange to be shown.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A watcher, and the file with what it has printed.
pub(crate) struct Watcher {
    process: Process,
    out: PathBuf,
}

impl Watcher {
    /// Starts it on a node, and waits until it is connected.
    pub(crate) fn start(node: &Node, directory: &std::path::Path, arguments: &str) -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let out = directory.join(format!("watch-{number}"));
        let arguments = arguments.split_whitespace();
        let process = node
            .command(binary("hopspan").unwrap())
            .args(["watch", "--json"])
            .args(arguments)
            .stdout(File::create(&out).unwrap())
            .spawn()
            .unwrap();
        let watcher = Self { process, out };
        watcher.wait("connected", || {
            watcher.process.log().contains("watching node")
        });
        watcher
    }

    /// What it has printed.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// The same, line by line.
    pub(super) fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let lines = complete.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The exchange with this path, as soon as it is shown.
    pub(super) fn shown(&self, path: &str) -> Value {
        let mut found = None;
        self.wait(&format!("showing {path}"), || {
            found = self.lines().into_iter().find(|line| line["path"] == path);
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until it ends well.
    pub(super) fn ended(mut self) -> Vec<Value> {
        let status = self.process.wait(LIMIT).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        self.lines()
    }

    /// Ends it.
    pub(crate) fn end(mut self) {
        self.process.signal(Signal::SIGTERM).unwrap();
        self.ended();
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "it is not {what}: {:?}\n{}",
                self.lines(),
                self.process.log()
            );
            std::thread::sleep(POLL);
        }
    }
}

/// Connects, sends a request for `/exchanges` with these header lines, and reads the status line.
pub(super) fn ask(address: SocketAddr, query: &str, lines: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!("GET /exchanges?{query} HTTP/1.1\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap() > 0 {
        line.push(byte[0]);
    }
    (stream, String::from_utf8(line).unwrap().trim().to_owned())
}
