//! Conversations of HTTP/1 on one connection.
//!
//! Out: the bytes of both directions, what each side waits for before it sends, and the truth of each exchange. Knows nothing of the kernel programs.

use std::ops::Range;

use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::conversation_tests::Stream;

/// Parts of bodies. No true exchange has the path `/x`, the status 500 or the status 200.
const TEXTS: &[&str] = &[
    "text",
    "GET /x HTTP/1.1\r\n\r\n",
    "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    "PURGE /x HTTP/1.1\r\n\r\n",
    "HTTP/1.1 500 Bad\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "0\r\n\r\n",
    "\r\n",
    "G",
];

/// A request and its responses, as they are sent.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    method: &'static str,
    request_body: Body,
    /// The value of the last flag in `traceparent`, if there is one.
    sampled: Option<bool>,
    /// The head is longer than what the kernel programs scan.
    is_long: bool,
    /// The client does not wait for the responses before.
    pub(super) pipelines: bool,
    /// An empty line before the request, and one behind its body.
    line_before: bool,
    line_behind: bool,
    interim: Vec<u16>,
    status: Status,
    /// The server responds when it has the head of the request.
    is_early: bool,
    response_body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<&'static str>),
    Chunked {
        chunks: Vec<&'static str>,
        extension: &'static str,
        trailer: &'static str,
    },
}

/// Where the first digits are shared, the exchange's number makes a status unique.
#[derive(Clone, Copy, Debug)]
enum Status {
    Numbered(u16),
    Fixed(u16),
}

/// What really happens.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) is_sampled: bool,
    pub(super) is_long: bool,
    /// Of the empty line before the request, if there is one.
    pub(super) request_begin: usize,
    pub(super) request_head: Range<usize>,
    /// Of the last response.
    pub(super) response_head: Range<usize>,
    /// Where that response ends.
    pub(super) response_end: usize,
}

impl Body {
    fn header(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Length(texts) => format!("Content-Length: {}\r\n", texts.concat().len()),
            Self::Chunked { .. } => "Transfer-Encoding: chunked\r\n".into(),
        }
    }

    fn write(&self, stream: &mut Stream) {
        match self {
            Self::None => {}
            Self::Length(texts) => texts.iter().for_each(|text| stream.write(text.as_bytes())),
            Self::Chunked {
                chunks,
                extension,
                trailer,
            } => {
                for chunk in chunks {
                    stream.write(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                    stream.write(chunk.as_bytes());
                    stream.write(b"\r\n");
                }
                stream.write(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
            }
        }
    }
}

impl Plan {
    pub(super) fn has_interim(&self) -> bool {
        !self.interim.is_empty()
    }

    /// Writes the exchange to the streams to the server and to the client.
    fn write(
        &self,
        number: u16,
        follows_line: bool,
        to_server: &mut Stream,
        to_client: &mut Stream,
    ) -> Truth {
        let path = format!("/{number}");
        if !self.pipelines {
            to_server.wait_for(to_client.bytes.len());
        }
        let request_begin = to_server.bytes.len() - 2 * usize::from(follows_line);
        if self.line_before {
            to_server.write(b"\r\n");
        }
        let trace = self.sampled.map_or(String::new(), |sampled| {
            let flags = u8::from(sampled);
            format!(
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0{flags}\r\n"
            )
        });
        let long = if self.is_long { 4_200 } else { 1 };
        let head = format!(
            "{} {path} HTTP/1.1\r\nHost: a\r\n{}{trace}X: {}\r\n\r\n",
            self.method,
            self.request_body.header(),
            "x".repeat(long),
        );
        let request_head = to_server.head(head.as_bytes());
        self.request_body.write(to_server);
        let request_end = to_server.bytes.len();
        if self.line_behind {
            to_server.write(b"\r\n");
        }
        for status in &self.interim {
            to_client.wait_for(request_head.end);
            to_client.head(format!("HTTP/1.1 {status} Interim\r\nLink: a\r\n\r\n").as_bytes());
        }
        to_client.wait_for(if self.is_early {
            request_head.end
        } else {
            request_end
        });
        let (status, has_body) = match self.status {
            Status::Numbered(status) => (status + number, self.method != "HEAD"),
            Status::Fixed(status) => (status, false),
        };
        let header = match &self.response_body {
            Body::None if has_body => "Content-Length: 0\r\n".into(),
            _ if status == 204 => String::new(),
            body => body.header(),
        };
        let head = format!("HTTP/1.1 {status} Last\r\n{header}\r\n");
        let response_head = to_client.head(head.as_bytes());
        if has_body {
            self.response_body.write(to_client);
        }
        Truth {
            method: self.method,
            path,
            status,
            is_sampled: self.sampled == Some(true),
            is_long: self.is_long,
            request_begin,
            request_head,
            response_head,
            response_end: to_client.bytes.len(),
        }
    }
}

/// The streams to the server and to the client, and the truth.
pub(super) fn streams(plans: &[Plan]) -> (Stream, Stream, Vec<Truth>) {
    let (mut to_server, mut to_client) = (Stream::default(), Stream::default());
    let mut follows_line = false;
    let mut truths = Vec::new();
    for (number, plan) in (1..).zip(plans) {
        truths.push(plan.write(number, follows_line, &mut to_server, &mut to_client));
        follows_line = plan.line_behind;
    }
    (to_server, to_client, truths)
}

fn body() -> impl Strategy<Value = Body> {
    let text = || select(TEXTS);
    let chunked = (
        vec(text(), 0..4),
        select(vec!["", "", ";a", ";name=\"value\"", " "]),
        select(vec![
            "",
            "",
            "T: a\r\n",
            "T: HTTP/1.1 500 Bad\r\nGET: /x\r\n",
        ]),
    );
    prop_oneof![
        2 => Just(Body::None),
        3 => vec(text(), 0..5).prop_map(Body::Length),
        2 => chunked.prop_map(|(chunks, extension, trailer)| Body::Chunked { chunks, extension, trailer }),
    ]
}

fn plan(pipelines: bool) -> impl Strategy<Value = Plan> {
    let rarely = || prop::bool::weighted(0.1);
    let status = select(vec![
        Status::Numbered(210),
        Status::Numbered(410),
        Status::Numbered(510),
        Status::Fixed(204),
        Status::Fixed(304),
    ]);
    let interim = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec(select(vec![100_u16, 103]), 1..3),
    ];
    let method = select(vec!["GET", "HEAD", "POST", "PUT", "PROPFIND", "FOOBAR"]);
    let request = (
        method,
        body(),
        option::weighted(0.7, prop::bool::weighted(0.7)),
        prop::bool::weighted(0.02),
        prop::bool::weighted(if pipelines { 0.6 } else { 0.0 }),
    );
    let response = (interim, status, prop::bool::weighted(0.2), body());
    (request, rarely(), rarely(), response).prop_map(
        |(request, line_before, line_behind, response)| {
            let (method, request_body, sampled, is_long, pipelines) = request;
            let (interim, status, is_early, response_body) = response;
            Plan {
                method,
                request_body,
                sampled,
                is_long,
                pipelines,
                line_before,
                line_behind,
                interim,
                status,
                is_early,
                response_body,
            }
        },
    )
}

/// The exchanges of a connection, whose client waits for responses, or does not.
pub(super) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    any::<bool>().prop_flat_map(|pipelines| vec(plan(pipelines), 1..7))
}
