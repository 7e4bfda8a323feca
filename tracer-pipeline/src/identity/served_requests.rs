//! Which requests a process, or a pod, was serving at a moment.
//!
//! In: requests that are served and those that were. Out: the one for which a connection was probably
//! opened that could not be, or those among which nobody can tell. A connect has no head that could
//! say so: this is an inference, made only where a single request can be meant.

use std::collections::VecDeque;

use crate::{
    decode,
    http::{Exchange, Served},
};

use super::directory::Directory;

/// How long a request that was answered is remembered: Linux gives up a connect after 127 s
/// (net.ipv4.tcp_syn_retries), and tells of one as it ends.
const KEEP_NS: u64 = 130_000_000_000;
/// Requests remembered, some 130 bytes each. Where there are more, the oldest go, and of a connect that
/// began before that nothing is inferred.
const MAX_SERVED: usize = 32_768;

/// What a connection was probably opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// Nothing that is traced was being served.
    None,
    /// One request was.
    Inferred(Served),
    /// Several were, or one and others that are forgotten; in the order in which they were read.
    Ambiguous(Vec<Served>),
}

/// Requests that were answered.
#[derive(Debug, Default)]
pub struct ServedRequests {
    now_ns: u64,
    finished: VecDeque<FinishedRequest>,
    /// Requests answered before may have been forgotten.
    complete_from_ns: u64,
}

#[derive(Debug)]
struct FinishedRequest {
    served: Served,
    /// When it was answered, and all before it.
    until_ns: u64,
}

impl ServedRequests {
    /// Time passes.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        let long_ago = |past: &mut FinishedRequest| past.until_ns.saturating_add(KEEP_NS) < now_ns;
        while let Some(past) = self.finished.pop_front_if(long_ago) {
            self.complete_from_ns = past.until_ns;
        }
    }

    /// An exchange is over.
    pub fn add_finished(&mut self, exchange: &Exchange) {
        let Some(served) = Served::of(exchange) else {
            return;
        };
        // One that is given up is not known to have been answered before.
        let until_ns = served.until_ns.unwrap_or(self.now_ns);
        self.push_finished(served, until_ns);
    }

    /// What `failed` was for, when it began: what its process was serving; if that was nothing, what its
    /// pod was. `open` are the requests that are not over.
    pub fn correlate(
        &self,
        failed: &decode::FailedConnect,
        open: &[Served],
        directory: &Directory,
    ) -> Correlation {
        let began_ns = failed.began_ns;
        let past = self.finished.iter().rev();
        let past = past.take_while(|past| past.until_ns > began_ns);
        let at_the_time: Vec<&Served> = past
            .map(|past| &past.served)
            .chain(open)
            .filter(|served| served.at(began_ns))
            .collect();
        let those = |is_meant: &dyn Fn(&Served) -> bool| -> Vec<Served> {
            let meant = at_the_time.iter().filter(|served| is_meant(served));
            meant.map(|served| (*served).clone()).collect()
        };
        let mut meant = those(&|served| served.tgid == Some(failed.tgid));
        if meant.is_empty() {
            meant = those(&|served| directory.is_one_pod(served.cgroup, failed.cgroup));
        }
        // The order of hash maps is not for others to depend on.
        meant.sort_by_key(|served| (served.from_ns, served.request_seq));
        if meant.len() == 1 && began_ns >= self.complete_from_ns {
            return meant.pop().map_or(Correlation::None, Correlation::Inferred);
        }
        if meant.is_empty() {
            Correlation::None
        } else {
            Correlation::Ambiguous(meant)
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
