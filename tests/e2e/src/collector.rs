//! A collector for more spans than a viewer keeps.
//!
//! In: OTLP over HTTP/1.1, as the agent sends it. Out: the exchanges, and the number of all
//! spans. It answers only POST requests without compression.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hopspan_lab::Node;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tracer_semconv::attribute;

/// Far more than a batch of the agent has.
const BODY_MAX_BYTES: usize = 64 << 20;
/// How long a slow collector takes for a request.
const SLOW: Duration = Duration::from_secs(1);

/// What a test needs of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedExchange {
    /// The trace's id, as a number.
    pub trace_id: u128,
    /// The parent span's id, as a number.
    pub parent_id: u64,
    /// `url.path`.
    pub path: Option<String>,
    /// `http.response.status_code`.
    pub status: Option<i64>,
    /// `network.protocol.version`.
    pub version: Option<String>,
    /// `hopspan.incomplete` of its request or of its response.
    pub incomplete: Option<String>,
}

impl CollectedExchange {
    /// The low half of the trace id, in which `echo` puts the number of a request.
    pub fn number(&self) -> u64 {
        u64::try_from(self.trace_id & u128::from(u64::MAX)).unwrap_or(0)
    }
}

/// What has been received.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The exchanges, in the order of arrival.
    pub exchanges: Vec<CollectedExchange>,
    /// Spans of all roles.
    pub spans: u64,
    /// Why the first request that was no OTLP was refused.
    pub refused: Option<String>,
}

/// What a collector does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectorState {
    /// Accepts them.
    #[default]
    Accepts,
    /// Accepts each after a second.
    Slow,
    /// Refuses them for now, with the status 503 and a reason.
    Refuses,
    /// Does not answer them.
    Hangs,
}

/// Receives in the background until the test ends.
#[derive(Debug)]
pub struct Collector {
    collected: Arc<Mutex<Collected>>,
    state: Arc<Mutex<CollectorState>>,
}

impl Collector {
    /// Listens on port 4318 of the node's loopback.
    ///
    /// # Errors
    /// When the port is taken, or a thread cannot be started.
    pub fn start(node: &Node) -> Result<Self> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4318);
        let listener = node
            .within(|| TcpListener::bind(address))?
            .with_context(|| format!("listen on {address} of node {}", node.name()))?;
        let collected = Arc::default();
        let state = Arc::default();
        let receiving = (Arc::clone(&collected), Arc::clone(&state));
        thread::Builder::new()
            .name("collector".into())
            .spawn(move || receive(&listener, &receiving.0, &receiving.1))
            .context("start the collector's thread")?;
        Ok(Self { collected, state })
    }

    /// Sets what it does with requests from now on.
    pub fn set_state(&self, state: CollectorState) {
        *lock(&self.state) = state;
    }

    /// Takes what has been received so far.
    pub fn take(&self) -> Collected {
        std::mem::take(&mut *lock(&self.collected))
    }

    /// The number of exchanges received so far.
    pub fn exchanges(&self) -> usize {
        lock(&self.collected).exchanges.len()
    }
}

fn receive(
    listener: &TcpListener,
    collected: &Arc<Mutex<Collected>>,
    state: &Arc<Mutex<CollectorState>>,
) {
    for stream in listener.incoming() {
        let (collected, state) = (Arc::clone(collected), Arc::clone(state));
        thread::spawn(move || {
            if let Err(error) = stream
                .map_err(Into::into)
                .and_then(|s| serve(s, &collected, &state))
            {
                let refused = &mut lock(&collected).refused;
                refused.get_or_insert_with(|| format!("{error:#}"));
            }
        });
    }
}

/// Answers requests until the client closes the connection.
fn serve(
    stream: TcpStream,
    collected: &Mutex<Collected>,
    state: &Mutex<CollectorState>,
) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone().context("duplicate a socket")?);
    let mut writer = stream;
    while let Some(length) = head(&mut reader)? {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).context("read a body")?;
        let request = ExportTraceServiceRequest::decode(&*body).context("decode a request")?;
        let state = *lock(state);
        match state {
            CollectorState::Accepts => {}
            CollectorState::Slow => thread::sleep(SLOW),
            CollectorState::Hangs => {
                // Until the agent closes the connection.
                let _ = reader.read_exact(&mut [0]);
                return Ok(());
            }
            CollectorState::Refuses => {
                writer
                    .write_all(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 11\r\n\r\nmaintenance")
                    .context("refuse")?;
                continue;
            }
        }
        lock(collected).add(request);
        // An ExportTraceServiceResponse without fields is empty.
        writer
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )
            .context("answer")?;
    }
    Ok(())
}

/// Reads a request's head. Returns the length of its body in bytes, or `None` at the end of the
/// connection.
fn head(reader: &mut impl BufRead) -> Result<Option<usize>> {
    let mut line = String::new();
    let mut length = None;
    let mut lines = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line).context("read a head")? == 0 && lines == 0 {
            return Ok(None);
        }
        lines += 1;
        if lines == 1 && !line.starts_with("POST /v1/traces ") {
            bail!("not an OTLP request: {line:?}");
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let length = length.context("a request without content-length")?;
    if length > BODY_MAX_BYTES {
        bail!("a body of {length} bytes");
    }
    Ok(Some(length))
}

impl Collected {
    fn add(&mut self, request: ExportTraceServiceRequest) {
        let spans = request
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        for span in spans {
            self.spans += 1;
            let role = text(&span.attributes, attribute::ROLE);
            match (role.as_deref(), self.exchanges.last_mut()) {
                (Some("request"), _) => self.exchanges.push(CollectedExchange::from(&span)),
                // It follows its request.
                (Some("response"), Some(last)) if last.trace_id == number(&span.trace_id) => {
                    let incomplete = text(&span.attributes, attribute::INCOMPLETE);
                    last.incomplete = last.incomplete.take().or(incomplete);
                }
                _ => {}
            }
        }
    }
}

impl From<&Span> for CollectedExchange {
    fn from(span: &Span) -> Self {
        let text = |key| text(&span.attributes, key);
        let status = match value(&span.attributes, "http.response.status_code") {
            Some(Value::IntValue(status)) => Some(*status),
            _ => None,
        };
        Self {
            trace_id: number(&span.trace_id),
            parent_id: u64::try_from(number(&span.parent_span_id)).unwrap_or(0),
            path: text("url.path"),
            status,
            version: text("network.protocol.version"),
            incomplete: text(attribute::INCOMPLETE),
        }
    }
}

fn number(id: &[u8]) -> u128 {
    id.iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Locks a value that a panic cannot leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_the_length_of_its_body() {
        let check = |text: &str| head(&mut text.as_bytes()).ok();
        assert_eq!(check(""), Some(None));
        assert_eq!(
            check("POST /v1/traces HTTP/1.1\r\nContent-Length: 12\r\n\r\n"),
            Some(Some(12))
        );
        assert_eq!(check("POST /v1/traces HTTP/1.1\r\nhost: a\r\n\r\n"), None);
        assert_eq!(check("GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"), None);
    }
}
