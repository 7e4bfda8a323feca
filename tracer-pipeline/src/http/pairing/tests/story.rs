//! Tells the story of a connection to the stages `flow` and `http`, from text.
//!
//! A line is one record: `> SEQ ACK PATH...` requests in one packet, `< SEQ ACK STATUS...` responses, each with its
//! head and its journey; `>d`/`<d` the same, dropped on its way; `>j`/`<j` the journey alone, its
//! head lost; `<l` a response that leaves the node; `r> SEQ`/`r< SEQ` the application reads it; `s SEQ` and `a SEQ` SYN and SYN-ACK;
//! `at NS` sets the clock; `expire NS` lets time pass; `forget` ends the connection. `c> ERRNO` the client's socket
//! closes, with 0 or an error, `c< ERRNO` the server's; `f<` the client learns that the server has sent its last byte.
//! `>u SEQ ACK PATH` offers HTTP/2, `<u SEQ ACK` accepts that; `>c` is a CONNECT.

use bytes::Bytes;
use tracer_common::journey::End;

use super::super::*;
use crate::{
    decode::{Close, CloseKind, JourneyBuilder},
    flow::Flow,
};
use tracer_common::hook::Hook;

pub(super) const CLIENT: u64 = JourneyBuilder::CLIENT_COOKIE;
const SERVER: u64 = JourneyBuilder::SERVER_COOKIE;

struct Story {
    flow: Flow,
    pairing: Pairing,
    handshakes: Handshakes,
    now_ns: u64,
    exchanges: Vec<String>,
}

/// Plays `story`; checks the exchanges, each as `path status flags`.
pub(super) fn check(story: &str, expected: &[&str]) -> Losses {
    tell(Pairing::default(), story, expected)
}

/// The same, told to a pairing that has other connections too.
pub(super) fn tell(pairing: Pairing, story: &str, expected: &[&str]) -> Losses {
    let others = pairing.open;
    let mut told = Story {
        flow: Flow::default(),
        pairing,
        handshakes: Handshakes::default(),
        now_ns: 1_000_000,
        exchanges: Vec::new(),
    };
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        told.line(line);
    }
    assert_eq!(told.exchanges, expected, "{story}");
    let connections = told.pairing.connections.values_mut();
    let open: usize = connections
        .map(|connection| connection.exchanges().count())
        .sum();
    assert_eq!(told.pairing.open, others + open, "{story}");
    told.pairing.losses()
}

impl Story {
    fn line(&mut self, line: &str) {
        self.now_ns += 1_000;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse().unwrap();
        match words[0] {
            "at" => self.now_ns = words[1].parse().unwrap(),
            "s" => self.journey(Message::Syn, End::Socket, number(1), 0),
            "sd" => self.journey(Message::Syn, End::Dropped, number(1), 0),
            "a" => self.journey(Message::SynAck, End::Socket, number(1), 0),
            "r>" => self.read(SERVER, number(1)),
            "r<" => self.read(CLIENT, number(1)),
            "c>" => self.close(CLIENT, CloseKind::Closed, number(1)),
            "c<" => self.close(SERVER, CloseKind::Closed, number(1)),
            "f<" => self.close(CLIENT, CloseKind::PeerFinished, 0),
            "upgraded" => {
                let id = ConnectionId::of_client(CLIENT);
                let exchange = self.pairing.upgraded(id);
                self.exchanges
                    .extend(exchange.map(|exchange| format!("upgraded {}", text(&exchange))));
            }
            "forget" => {
                let events = self.flow.finish();
                self.events(events);
            }
            "expire" => {
                self.now_ns += words[1].parse::<u64>().unwrap();
                let events = self.flow.expire(self.now_ns);
                self.events(events);
                let exchanges = &mut self.exchanges;
                self.pairing
                    .expire(self.now_ns, &mut |exchange| exchanges.push(text(&exchange)));
            }
            kind => {
                let message = if kind.starts_with('>') {
                    Message::Request
                } else {
                    Message::Response
                };
                if !kind.ends_with('j') {
                    let heads: String = words[3..].iter().map(|word| head(kind, word)).collect();
                    self.head(message, number(1), number(2), heads);
                }
                let end = match kind.as_bytes() {
                    [.., b'd'] => End::Dropped,
                    [.., b'l'] => End::Left,
                    _ => End::Socket,
                };
                self.journey(message, end, number(1), number(2));
            }
        }
    }

    fn close(&mut self, cookie: u64, what: CloseKind, errno: u32) {
        self.flow.close(&Close {
            cookie,
            what,
            at_ns: self.now_ns,
            error: (errno != 0).then_some(errno),
        });
    }

    fn head(&mut self, message: Message, seq: u32, ack: u32, text: String) {
        let from_client = message == Message::Request;
        self.pairing.head(&Head {
            message,
            start_ns: self.now_ns,
            sender_cookie: if from_client { CLIENT } else { SERVER },
            seq,
            ack,
            payload_bytes: text.len() as u32,
            sent: JourneyBuilder::client_to_server(),
            continues: false,
            bytes: Bytes::from(text),
        });
    }

    fn journey(&mut self, message: Message, end: End, seq: u32, ack: u32) {
        let journey = JourneyBuilder::new(message)
            .end(end)
            .start_ns(self.now_ns)
            .seq(seq)
            .ack(ack)
            .stamps_after_ns(&[(10, Hook::CgroupIngress)])
            .build();
        let mut events = Vec::new();
        self.flow.journey(journey, &mut |event| events.push(event));
        self.events(events);
    }

    fn read(&mut self, cookie: u64, seq: u32) {
        let read = crate::decode::Read {
            cookie,
            read_seq: seq.wrapping_add(1),
            at_ns: self.now_ns,
            tgid: None,
        };
        let mut events = Vec::new();
        self.flow.read(read, &mut |event| events.push(event));
        self.events(events);
    }

    fn events(&mut self, events: impl IntoIterator<Item = Event>) {
        let exchanges = &mut self.exchanges;
        for event in events {
            if let EventKind::Journey { journey, .. } = &event.kind
                && matches!(journey.message, Message::Syn | Message::SynAck)
            {
                self.handshakes.event(event);
                continue;
            }
            self.pairing
                .event(event, &mut self.handshakes, &mut |exchange| {
                    exchanges.push(text(&exchange));
                });
        }
    }
}

/// A head of a request to a path, or of a response with a status.
fn head(kind: &str, word: &str) -> String {
    const H2C: &str = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
    match kind {
        ">u" => format!("GET {word} HTTP/1.1\r\nHost: a\r\n{H2C}\r\n"),
        ">c" => format!("CONNECT {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
        "<u" => format!("HTTP/1.1 {word} OK\r\n{H2C}\r\n"),
        kind if kind.starts_with('>') => format!("GET {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
        _ => format!("HTTP/1.1 {word} OK\r\nContent-Length: 0\r\n\r\n"),
    }
}

/// `path status`, then `connect`, `retransmits=N`, how the connection ended, and `unread` where a read
/// time is missing.
fn text(exchange: &Exchange) -> String {
    let path = exchange.asked.path.as_deref().unwrap_or("?");
    let status = match (&exchange.response, &exchange.answered) {
        (Some(_), Some(answered)) => answered.status.unwrap_or(0).to_string(),
        (Some(_), None) => "no-head".into(),
        (None, _) => "unanswered".into(),
    };
    let mut text = format!("{path} {status}");
    if exchange.connect.is_some() {
        text += " connect";
    }
    let response = exchange.response.as_ref();
    let legs = [Some(&exchange.request), response];
    let retransmits: usize = legs.iter().flatten().map(|leg| leg.earlier.len()).sum();
    if retransmits > 0 {
        text += &format!(" retransmits={retransmits}");
    }
    if let Some(ending) = exchange.ending {
        let by = ending
            .by
            .map_or(String::new(), |side| format!(" by {side:?}"));
        text += &format!(" {:?}{by}", ending.cause);
    }
    if legs.iter().flatten().any(|leg| leg.read_ns.is_none()) {
        text += " unread";
    }
    text
}
