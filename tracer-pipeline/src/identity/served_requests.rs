//! The requests that a process, or a pod, was serving at a given time.
//!
//! In: open and finished requests. Out: the request on whose behalf a failed connect was probably
//! made, or all candidates. A connect carries no trace context, so this is an inference, made only
//! where there is a single candidate.

use std::collections::VecDeque;

use crate::{
    decode,
    http::{Exchange, Served},
};

use super::directory::Directory;

/// How long a finished request is kept: Linux ends a connect after 127 s
/// (net.ipv4.tcp_syn_retries), and a failed connect is reported at its end.
const KEEP_NS: u64 = 130_000_000_000;
/// Bound on finished requests, about 130 bytes each. Beyond it the oldest are removed, and nothing
/// is inferred for connects that began before the end of a removed request.
pub(crate) const MAX_SERVED: usize = 32_768;

/// The request on whose behalf a connect was probably made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// No traced request was being served.
    None,
    /// One request was being served.
    Inferred(Served),
    /// Several requests were being served, or one and perhaps others that are no longer kept; in
    /// the order in which they were read.
    Ambiguous(Vec<Served>),
}

/// Finished requests, in the order in which they finished.
#[derive(Debug, Default)]
pub struct ServedRequests {
    now_ns: u64,
    finished: VecDeque<FinishedRequest>,
    /// Requests that finished before this time may have been removed.
    complete_from_ns: u64,
}

#[derive(Debug)]
struct FinishedRequest {
    served: Served,
    /// When this request and all before it had finished.
    until_ns: u64,
}

impl ServedRequests {
    /// Sets the current time and removes old requests.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        let long_ago = |past: &mut FinishedRequest| past.until_ns.saturating_add(KEEP_NS) < now_ns;
        while let Some(past) = self.finished.pop_front_if(long_ago) {
            self.complete_from_ns = past.until_ns;
        }
    }

    /// Adds the request of a finished exchange.
    pub fn add_finished(&mut self, exchange: &Exchange) {
        let Some(served) = Served::of(exchange) else {
            return;
        };
        // A request without a response was being served until now.
        let until_ns = served.until_ns.unwrap_or(self.now_ns);
        self.push_finished(served, until_ns);
    }

    /// The request that `failed` belongs to: what its process was serving when the connect began
    /// or, if that was nothing, what its pod was serving. `open` are the unfinished requests.
    pub fn correlate(
        &self,
        failed: &decode::FailedConnect,
        open: &[Served],
        directory: &Directory,
    ) -> Correlation {
        let began_ns = failed.began_ns;
        let past = self.finished.iter().rev();
        let past = past.take_while(|past| past.until_ns > began_ns);
        let served_then: Vec<&Served> = past
            .map(|past| &past.served)
            .chain(open)
            .filter(|served| served.at(began_ns))
            .collect();
        let matching = |is_candidate: &dyn Fn(&Served) -> bool| -> Vec<Served> {
            let matches = served_then.iter().filter(|served| is_candidate(served));
            matches.map(|served| (*served).clone()).collect()
        };
        let mut candidates = matching(&|served| served.tgid == Some(failed.tgid));
        if candidates.is_empty() {
            candidates = matching(&|served| directory.is_one_pod(served.cgroup, failed.cgroup));
        }
        // The output must not depend on the order of a hash map.
        candidates.sort_by_key(|served| (served.from_ns, served.request_seq));
        if candidates.len() == 1 && began_ns >= self.complete_from_ns {
            return candidates
                .pop()
                .map_or(Correlation::None, Correlation::Inferred);
        }
        if candidates.is_empty() {
            Correlation::None
        } else {
            Correlation::Ambiguous(candidates)
        }
    }

    fn push_finished(&mut self, mut served: Served, until_ns: u64) {
        served.until_ns = Some(until_ns);
        let newest_ns = self.finished.back().map_or(0, |past| past.until_ns);
        self.finished.push_back(FinishedRequest {
            served,
            until_ns: until_ns.max(newest_ns),
        });
        if self.finished.len() > MAX_SERVED
            && let Some(past) = self.finished.pop_front()
        {
            self.complete_from_ns = past.until_ns;
        }
    }
}

#[cfg(test)]
mod tests;
