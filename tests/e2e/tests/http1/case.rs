//! Dialogues over one kept connection, built request by request, and the check of their exchanges.
//!
//! In: what both ends write. Out: an exchange for each request, with its own status, and no other.

use std::time::Duration;

use hopspan_e2e::{DialogueFixture, Outcome, Step, Trace, Traces, pause, send, take};

use super::traced_request::TracedRequest;

/// Long enough that the next write is a packet of its own, and that the last write has been read.
pub(crate) const APART: Duration = Duration::from_millis(10);

/// The steps of both ends of one connection, and its requests.
pub(crate) struct Case {
    pub(crate) server: Vec<Step>,
    pub(crate) client: Vec<Step>,
    pub(crate) requests: Vec<TracedRequest>,
    apart: Duration,
    work: Duration,
}

impl Case {
    /// A connection on which each write follows the last after [`APART`].
    pub(crate) fn apart() -> Self {
        Self {
            apart: APART,
            ..Self::at_once()
        }
    }

    /// A connection on which each write follows the last at once, in a packet of its own.
    pub(crate) fn at_once() -> Self {
        Self {
            server: Vec::new(),
            client: Vec::new(),
            requests: Vec::new(),
            apart: Duration::ZERO,
            work: Duration::ZERO,
        }
    }

    /// From here on the server works for so long before it answers.
    pub(crate) fn working(self, work: Duration) -> Self {
        Self { work, ..self }
    }

    /// Adds a request: the client sends `writes`, of which one has the head. When all have arrived,
    /// the server sends `answers`, and the client reads them.
    pub(crate) fn exchange(
        self,
        request: TracedRequest,
        writes: &[&str],
        answers: &[&str],
    ) -> Self {
        self.exchanges(vec![request], writes, answers)
    }

    /// The same for several requests, all of which are sent before the first answer.
    pub(crate) fn exchanges(
        mut self,
        requests: Vec<TracedRequest>,
        writes: &[&str],
        answers: &[&str],
    ) -> Self {
        self.client.extend(self.spread(writes));
        self.server.extend([take(bytes(writes)), pause(self.work)]);
        self.server.extend(self.spread(answers));
        self.client.push(take(bytes(answers)));
        self.requests.extend(requests);
        self
    }

    fn spread(&self, writes: &[&str]) -> Vec<Step> {
        writes
            .iter()
            .enumerate()
            .flat_map(|(index, text)| {
                let before = (index > 0).then_some(pause(self.apart));
                before.into_iter().chain([send(text)])
            })
            .collect()
    }
}

fn bytes(writes: &[&str]) -> u64 {
    writes.iter().map(|text| text.len() as u64).sum()
}

/// A complete response with a body.
pub(crate) fn answer(status: &str) -> String {
    format!("HTTP/1.1 {status} Answer\r\nContent-Length: 2\r\n\r\nok")
}

/// Plays each case on a connection of its own. Checks that every request has one complete exchange,
/// and that there is no other exchange.
pub(crate) fn check(label: &str, cases: &[Case]) -> Outcome {
    let dialogues = DialogueFixture::start(label).unwrap();
    for case in cases {
        dialogues.play(&case.server, &case.client).unwrap();
    }
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    assert_all_followed(&outcome, cases);
    for case in cases {
        for (index, request) in case.requests.iter().enumerate() {
            request.assert(&outcome.traces, index == 0);
        }
    }
    assert_exchanges(
        &outcome.traces,
        cases.iter().map(|case| case.requests.len()).sum(),
    );
    outcome
}

/// Checks that every request has spans. Names all that have none, and what the agent counted.
fn assert_all_followed(outcome: &Outcome, cases: &[Case]) {
    let missing: Vec<String> = cases
        .iter()
        .flat_map(|case| &case.requests)
        .filter(|request| !outcome.traces.0.contains_key(&request.parent.trace_id))
        .map(|request| request.head("").lines().take(1).collect())
        .collect();
    assert!(
        missing.is_empty(),
        "no span of {missing:?}: {:?}",
        outcome.report()
    );
}

/// Checks that there are so many exchanges in all traces, each in a trace of its own.
pub(crate) fn assert_exchanges(traces: &Traces, expected: usize) {
    let paths: Vec<String> = traces
        .0
        .values()
        .flat_map(Trace::exchanges)
        .map(|exchange| exchange.attribute("url.path").to_owned())
        .collect();
    assert_eq!(paths.len(), expected, "exchanges of {paths:?}");
    assert_eq!(traces.0.len(), expected, "traces: {:?}", traces.0.keys());
}
