//! Connections of any shape between real sockets, compared with the truth.
//!
//! In: random requests and responses: bodies of a length and in chunks, of text that looks like heads
//! with a trace context, cut into writes anywhere. Out: each request has one complete exchange with
//! the status of its own response, and there is no other exchange. Left out is what
//! KNOWN_ISSUES.md names: pipelining behind what is cut, and chunks behind a head in pieces.

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    sample::{Index, select},
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    case::{Case, check},
    traced_request::TracedRequest,
};

/// Connections of one test.
const CONNECTIONS: usize = 60;
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];
const STATUSES: &[&str] = &["200", "201", "204", "304", "404", "503"];
const TEXTS: &[&str] = &[
    "",
    "x",
    "\r\n",
    "GET /inner HTTP/1.1\r\nHost: a\r\ntraceparent: 00-00000000000000000000000000000001-0000000000000001-01\r\n\r\n",
    "HTTP/1.1 500 Inner\r\nContent-Length: 0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "0\r\n\r\n",
    "plain text of a body, with no end in sight\n",
];

/// A body, as its head announces it.
#[derive(Clone, Debug)]
enum Body {
    None,
    Length(String),
    Chunks(Vec<&'static str>),
}

#[derive(Clone, Debug)]
struct Random {
    method: &'static str,
    request: (Body, Vec<Index>),
    status: &'static str,
    has_interim: bool,
    response: (Body, Vec<Index>),
}

fn body() -> impl Strategy<Value = Body> {
    let texts = || vec(select(TEXTS), 1..4);
    proptest::prop_oneof![
        proptest::strategy::Just(Body::None),
        texts().prop_map(|texts| Body::Length(texts.concat())),
        texts().prop_map(|mut texts| {
            texts.retain(|text| !text.is_empty());
            Body::Chunks(texts)
        }),
    ]
}

fn exchange() -> impl Strategy<Value = Random> {
    let message = || (body(), vec(any::<Index>(), 0..3));
    let status = (select(STATUSES), proptest::bool::weighted(0.2));
    (select(METHODS), message(), status, message()).prop_map(
        |(method, request, (status, has_interim), response)| Random {
            method,
            request,
            status,
            has_interim,
            response,
        },
    )
}

impl Body {
    /// The header line that announces the body.
    fn header(&self) -> String {
        match self {
            Self::None => "Content-Length: 0\r\n".to_owned(),
            Self::Length(text) => format!("Content-Length: {}\r\n", text.len()),
            Self::Chunks(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        }
    }

    fn bytes(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Length(text) => text.clone(),
            Self::Chunks(texts) => {
                let chunk = |text: &&str| format!("{:x};a=b\r\n{text}\r\n", text.len());
                let chunks: String = texts.iter().map(chunk).collect();
                format!("{chunks}0\r\nTrailer: a\r\n\r\n")
            }
        }
    }
}

/// Cuts a message into writes, none of them within its first bytes.
fn cut(message: &str, first: usize, cuts: &[Index]) -> Vec<String> {
    let mut ends: Vec<usize> = cuts
        .iter()
        .filter(|_| message.len() > first)
        .map(|cut| first + cut.index(message.len() - first))
        .filter(|end| *end > 0)
        .collect();
    ends.push(message.len());
    ends.sort_unstable();
    ends.dedup();
    let mut begin = 0;
    ends.into_iter()
        .map(|end| message[std::mem::replace(&mut begin, end)..end].to_owned())
        .collect()
}

impl Random {
    fn add_to(self, case: Case, path: &str) -> Case {
        let Self {
            method,
            request,
            status,
            has_interim,
            response,
        } = self;
        let asked = TracedRequest::new(method, path, status);
        let head = asked.head(&request.0.header());
        // Chunks behind a head in pieces: the next request is not shown.
        let first = match request.0 {
            Body::Chunks(_) => head.len(),
            Body::None | Body::Length(_) => 0,
        };
        let writes = cut(&(head + &request.0.bytes()), first, &request.1);
        let has_body = method != "HEAD" && status != "204" && status != "304";
        let head = format!("HTTP/1.1 {status} Answer\r\n{}\r\n", response.0.header());
        let body = if has_body {
            response.0.bytes()
        } else {
            String::new()
        };
        let mut answers = cut(&(head + &body), 0, &response.1);
        if has_interim {
            answers.insert(0, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".to_owned());
        }
        let writes: Vec<&str> = writes.iter().map(String::as_str).collect();
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        case.exchange(asked, &writes, &answers)
    }
}

/// Plays random connections, the same ones in every run for a seed.
fn play(label: &str, seed: u8) {
    if hopspan_lab::skip(label) {
        return;
    }
    println!("seed {seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let connections = vec(vec(exchange(), 1..6), CONNECTIONS);
    let connections = connections.new_tree(&mut runner).unwrap().current();
    let cases: Vec<Case> = connections
        .into_iter()
        .enumerate()
        .map(|(number, exchanges)| {
            let mut case = if number % 2 == 0 {
                Case::apart()
            } else {
                Case::at_once()
            };
            for (index, exchange) in exchanges.into_iter().enumerate() {
                case = exchange.add_to(case, &format!("/{number}/{index}"));
            }
            case
        })
        .collect();
    check(label, &cases);
}

#[test]
fn random_connections_1() {
    play("random_connections_1", 1);
}

#[test]
fn random_connections_2() {
    play("random_connections_2", 2);
}

#[test]
fn random_connections_3() {
    play("random_connections_3", 3);
}

#[test]
fn random_connections_4() {
    play("random_connections_4", 4);
}
