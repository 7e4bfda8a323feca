//! The loads on nginx: as fast as it answers (wrk), and at a fixed rate (h2load with HTTP/1.1). In: a
//! share of sampled requests, a rate. Out: requests and seconds, read from what the programs print.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::Command;

use super::super::machine::cores;
use super::Ground;

/// Connections of wrk: enough to keep every processor busy.
const WRK_CONNECTIONS: usize = 64;
/// Connections of a paced load.
const PACED_CONNECTIONS: u32 = 50;
/// What a program may take beyond the time that it was given.
const GRACE: Duration = Duration::from_secs(30);

/// What requests carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Traceparent {
    /// No header.
    None,
    /// One on every request, of which so many in a hundred say that they are sampled.
    Sampled(u32),
}

/// What a paced load has done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Paced {
    /// Requests that were answered.
    pub(in super::super) requests: u64,
    /// Requests that were not, or with another status than 2xx.
    pub(in super::super) failed: u64,
    pub(in super::super) seconds: f64,
}

/// Who loads nginx, and at which of its addresses.
pub(in super::super) struct Source {
    /// wrk, without arguments, where it is to run.
    pub(in super::super) wrk: Command,
    /// An address of nginx's service.
    pub(in super::super) to: SocketAddr,
}

impl Ground {
    /// Loads nginx as hard as it goes; requests a second.
    ///
    /// # Errors
    /// When wrk fails, or requests do.
    pub(in super::super) fn wrk(&self, traceparent: Traceparent, length: Duration) -> Result<f64> {
        let from = Source {
            wrk: self.client.command("wrk"),
            to: self.address(),
        };
        self.wrk_from(from, traceparent, length)
    }

    /// The same from somewhere else, or to another of its addresses.
    ///
    /// # Errors
    /// When wrk fails, or requests do.
    pub(in super::super) fn wrk_from(
        &self,
        from: Source,
        traceparent: Traceparent,
        length: Duration,
    ) -> Result<f64> {
        let script = self.work_dir().join("wrk.lua");
        fs::write(&script, lua(traceparent))
            .with_context(|| format!("write {}", script.display()))?;
        let threads = cores();
        let said = from
            .wrk
            .arg(format!("--threads={threads}"))
            .arg(format!("--connections={}", WRK_CONNECTIONS.max(threads)))
            .arg(format!("--duration={}s", length.as_secs().max(1)))
            .arg("--script")
            .arg(&script)
            .arg(format!("http://{}/", from.to))
            .run(length + GRACE)?;
        requests_per_second(&said)
    }

    /// Sends so many requests a second, on connections that are kept.
    ///
    /// # Errors
    /// When h2load fails.
    pub(in super::super) fn paced(
        &self,
        traceparent: Traceparent,
        per_second: u32,
        length: Duration,
    ) -> Result<Paced> {
        let connections = PACED_CONNECTIONS.min(per_second);
        let mut command = self
            .client
            .command("h2load")
            .args(["--h1", "--threads=1"])
            .arg(format!("--clients={connections}"))
            .arg(format!(
                "--rps={}",
                f64::from(per_second) / f64::from(connections)
            ))
            .arg(format!("--duration={}", length.as_secs().max(1)));
        if let Traceparent::Sampled(percent) = traceparent {
            // One program sends the same header with every request.
            ensure!(percent == 0 || percent == 100, "h2load samples all or none");
            let header = header(1, percent == 100);
            command = command.arg(format!("--header=traceparent: {header}"));
        }
        let said = command
            .arg(format!("http://{}/", self.address()))
            .run(length + GRACE)?;
        paced(&said)
    }
}

/// A W3C trace context.
fn header(number: u64, sampled: bool) -> String {
    format!(
        "00-62656e636862656e{number:016x}-{number:016x}-{:02x}",
        u8::from(sampled)
    )
}

/// wrk's script. The requests are made before the first is sent, so that the load costs the same
/// whatever they carry.
fn lua(traceparent: Traceparent) -> String {
    let headers = match traceparent {
        Traceparent::None => "{}".to_owned(),
        Traceparent::Sampled(percent) => format!(
            "{{traceparent = string.format(\"00-62656e636862656e%08x%08x-%08x%08x-%02x\", \
             number, i, number, i, (i * {percent}) % 100 < {percent} and 1 or 0)}}"
        ),
    };
    format!(
        r#"local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end
function init(args)
  requests = {{}}
  for i = 1, 1000 do
    requests[i] = wrk.format("GET", "/", {headers})
  end
  place = 0
end
function request()
  place = place % 1000 + 1
  return requests[place]
end
"#
    )
}

fn requests_per_second(said: &str) -> Result<f64> {
    for line in said.lines().map(str::trim) {
        ensure!(
            !line.starts_with("Non-2xx") && !line.starts_with("Socket errors"),
            "requests failed: {line}"
        );
    }
    let rate = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok())
        .with_context(|| format!("wrk does not tell its rate:\n{said}"))
}

fn paced(said: &str) -> Result<Paced> {
    let unclear = || format!("h2load does not tell what it did:\n{said}");
    let line = |begin: &str| {
        said.lines()
            .find_map(|line| line.trim().strip_prefix(begin))
            .with_context(unclear)
    };
    // finished in 10.00s, 5000.00 req/s, 1.02MB/s
    let finished = line("finished in ")?;
    let (time, _) = finished.split_once(',').with_context(unclear)?;
    let seconds = seconds(time).with_context(unclear)?;
    // requests: 50000 total, 50000 started, 50000 done, 50000 succeeded, 0 failed, 0 errored, 0 timeout
    let requests = line("requests: ")?;
    let count = |what: &str| -> Result<u64> {
        requests
            .split(", ")
            .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
            .with_context(unclear)
    };
    Ok(Paced {
        requests: count("succeeded")?,
        failed: count("failed")? + count("errored")? + count("timeout")?,
        seconds,
    })
}

/// `10.00s`, `950.20ms` and `80us`, as h2load writes durations.
fn seconds(text: &str) -> Option<f64> {
    let units = [("us", 1e6), ("ms", 1e3), ("s", 1.0)];
    units.into_iter().find_map(|(unit, of_second)| {
        let number: f64 = text.trim().strip_suffix(unit)?.parse().ok()?;
        Some(number / of_second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says() {
        let said = "Running 1s test @ http://10.96.0.20:80/\n  2 threads and 64 connections\n\
             \n  40023 requests in 1.00s, 6.11MB read\nRequests/sec:  40011.72\nTransfer/sec:      6.11MB\n";
        assert_eq!(requests_per_second(said).unwrap(), 40011.72);
        assert!(requests_per_second("wrk: unable to connect").is_err());
        let failed = format!("  Non-2xx or 3xx responses: 12\n{said}");
        assert!(requests_per_second(&failed).is_err());
    }

    #[test]
    fn what_h2load_says() {
        let said = "starting benchmark...\n\nfinished in 950.20ms, 5001.20 req/s, 1.11MB/s\n\
             requests: 4752 total, 4760 started, 4752 done, 4750 succeeded, 2 failed, 0 errored, 0 timeout\n";
        let expected = Paced {
            requests: 4750,
            failed: 2,
            seconds: 0.9502,
        };
        assert_eq!(paced(said).unwrap(), expected);
        assert!(paced("finished in x").is_err());
        assert_eq!(seconds("80us"), Some(80e-6));
        assert_eq!(seconds("10.01s"), Some(10.01));
    }

    #[test]
    fn a_trace_context_is_what_w3c_wants() {
        let header = header(1, true);
        assert_eq!(
            header,
            "00-62656e636862656e0000000000000001-0000000000000001-01"
        );
        assert_eq!(header.len(), 55);
        assert!(!lua(Traceparent::None).contains("traceparent"));
        assert!(lua(Traceparent::Sampled(1)).contains("(i * 1) % 100 < 1"));
    }
}
