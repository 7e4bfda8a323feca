//! The requests of a client to a server. In: what the client printed, and the spans. Out: what is
//! wrong with each request.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use hopspan_e2e::{Parent, Traces};
use tracer_semconv::incomplete;

use super::Protocol;

/// Method, path and the status of every server.
const REQUESTS: [(&str, &str, &str); 5] = [
    ("GET", "/small", "200"),
    ("POST", "/post", "200"),
    ("GET", "/missing", "404"),
    ("HEAD", "/small", "200"),
    ("GET", "/large", "200"),
];
/// The same of gRPC, whose status is a number (NOT_FOUND). Every call sends the body.
const CALLS: [(&str, &str, &str); 4] = [
    ("POST", "/programs.Greeter/Hello", "0"),
    ("POST", "/programs.Greeter/Count", "0"),
    ("POST", "/programs.Greeter/Missing", "5"),
    ("POST", "/programs.Greeter/Hello", "0"),
];

impl Protocol {
    /// The requests of each client.
    pub(super) fn requests(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::Http1 | Self::Http2 => &REQUESTS,
            Self::Grpc => &CALLS,
        }
    }
}

/// A request with a trace context of its own.
pub(super) struct Request {
    method: &'static str,
    path: &'static str,
    status: &'static str,
    parent: Parent,
}

/// The requests, in their order.
pub(super) struct Plan {
    protocol: Protocol,
    pub(super) requests: Vec<Request>,
    /// The trace context in the body of the POST request, which is no request.
    inner: Parent,
    body: PathBuf,
}

impl Plan {
    /// Writes the body of its POST request to `body`, where it stays until the next plan.
    pub(super) fn new(protocol: Protocol, body: &Path) -> Self {
        let inner = Parent::new();
        let traceparent = inner.traceparent();
        let text =
            format!("GET /inner HTTP/1.1\r\nHost: inner\r\ntraceparent: {traceparent}\r\n\r\n");
        fs::write(body, text).unwrap();
        let request = |&(method, path, status)| Request {
            method,
            path,
            status,
            parent: Parent::new(),
        };
        Self {
            protocol,
            requests: protocol.requests().iter().map(request).collect(),
            inner,
            body: body.to_owned(),
        }
    }

    /// What the clients read.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for request in &self.requests {
            let traceparent = request.parent.traceparent();
            let body = match request.method {
                "POST" => format!(" {}", self.body.display()),
                _ => String::new(),
            };
            let Request { method, path, .. } = request;
            writeln!(text, "{method} {path} {traceparent}{body}").unwrap();
        }
        text
    }

    /// Whether it is the trace of one of the requests.
    pub(super) fn has_trace(&self, id: &str) -> bool {
        self.requests
            .iter()
            .any(|request| request.parent.trace_id == id)
    }

    /// What is wrong, at most one error for a request. An exchange of the body counts as an error
    /// of the POST request.
    pub(super) fn errors(&self, answers: &[String], traces: &Traces) -> Vec<String> {
        let check = |(request, answer): (&Request, &String)| {
            let Request { method, path, .. } = request;
            let errors = request.errors(self.protocol, answer.trim(), traces);
            let inner = (*method == "POST" && traces.0.contains_key(&self.inner.trace_id))
                .then(|| "a trace of the request in its body".to_owned());
            let errors: Vec<String> = errors.into_iter().chain(inner).collect();
            (!errors.is_empty()).then(|| format!("{method} {path}: {}", errors.join("; ")))
        };
        self.requests
            .iter()
            .zip(answers)
            .filter_map(check)
            .collect()
    }
}

impl Request {
    fn errors(&self, protocol: Protocol, answer: &str, traces: &Traces) -> Vec<String> {
        if answer != self.status {
            return vec![format!("the client printed {answer:?}")];
        }
        let Some(trace) = traces.0.get(&self.parent.trace_id) else {
            return vec!["no span".to_owned()];
        };
        let exchanges = trace.exchanges();
        let [exchange] = &exchanges[..] else {
            return vec![format!("{} exchanges: {exchanges:?}", exchanges.len())];
        };
        let version = match protocol {
            Protocol::Http1 => "1.1",
            Protocol::Http2 | Protocol::Grpc => "2",
        };
        // A client that has the whole body may close before the frame that ends the stream.
        let has_unseen_end = protocol == Protocol::Http2
            && exchange.attribute("hopspan.incomplete") == incomplete::RESPONSE_END;
        let incomplete = if has_unseen_end {
            incomplete::RESPONSE_END
        } else {
            ""
        };
        let mut expected = vec![
            ("http.request.method", self.method),
            ("network.protocol.version", version),
            ("hopspan.incomplete", incomplete),
        ];
        expected.extend(match protocol {
            Protocol::Http1 | Protocol::Http2 => [
                ("url.path", self.path),
                ("http.response.status_code", answer),
                ("error.type", ""),
            ],
            Protocol::Grpc => [
                ("rpc.method", self.path.rsplit('/').next().unwrap_or("")),
                ("rpc.grpc.status_code", answer),
                ("error.type", if answer == "5" { "NOT_FOUND" } else { "" }),
            ],
        });
        let differs = |&(key, value): &(&str, &str)| exchange.attribute(key) != value;
        expected
            .into_iter()
            .filter(differs)
            .map(|(key, value)| format!("{key} is {:?}, not {value:?}", exchange.attribute(key)))
            .collect()
    }
}
