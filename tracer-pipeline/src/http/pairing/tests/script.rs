//! Plays the script of a connection through the stages `flow` and `http`.
//!
//! Each line of a script is one record:
//!
//! | line | record |
//! |---|---|
//! | `> SEQ ACK PATH...` | requests in one packet: heads and journey |
//! | `< SEQ ACK STATUS...` | responses in one packet: heads and journey |
//! | `>x` | what looks like requests, where the kernel does not know whether one begins |
//! | `>d`, `<d` | the same, but the packet is dropped |
//! | `>j`, `<j` | the journey alone; the head was lost |
//! | `<l` | a response that leaves the node |
//! | `>u SEQ ACK PATH` | a request that offers HTTP/2 |
//! | `<u SEQ ACK STATUS` | a response that accepts HTTP/2 |
//! | `>c SEQ ACK AUTHORITY` | a CONNECT |
//! | `>b SEQ ACK PATH`, `<b SEQ ACK STATUS` | a head of 49 or 39 bytes, and a body of 18 |
//! | `<o SEQ ACK STATUS` | a head of 39 bytes; its body of 18 follows in other packets |
//! | `<w SEQ ACK STATUS` | a head whose body ends with the connection |
//! | `<e SEQ ACK BYTES` | a packet of so many bytes that ends a response |
//! | `<ed`, `<el` | the same, but the packet is dropped, or leaves the node |
//! | `<f SEQ ACK BYTES` | the same with a FIN, before the end of the response |
//! | `>h SEQ ACK PATH` | a HEAD |
//! | `>t SEQ ACK PATH` | a request with a sampled trace context |
//! | `>k SEQ ACK PATH`, `<k SEQ ACK STATUS` | a head that announces chunks, which follow |
//! | `>p SEQ ACK BYTES`, `<p SEQ ACK BYTES` | the first piece of a head |
//! | `>+ SEQ BYTES`, `<+ SEQ BYTES` | the last piece of a head, followed by its end |
//! | `r> SEQ`, `r< SEQ` | the application reads the request or the response |
//! | `s SEQ`, `sd SEQ`, `a SEQ` | SYN, dropped SYN, SYN-ACK |
//! | `st SEQ ACK PATH` | a SYN with a request; the server's socket, whose response begins at ACK, has taken it, or the listener has received it (0) |
//! | `a SEQ ACK` | a SYN-ACK that acknowledges the request, or not |
//! | `c> ERRNO`, `c< ERRNO` | the client's or the server's socket closes; 0 is no error |
//! | `f<` | the client receives the server's FIN |
//! | `c> ERRNO SEQ`, `c< ERRNO SEQ` | the same, and the client has received until there, or the server sent |
//! | `served` | adds, beside the exchanges, each open request that has been read: `serving` or `served` |
//! | `upgraded` | the connection continues in HTTP/2 |
//! | `at NS`, `expire NS` | sets the clock; lets time pass |
//! | `forget` | ends the connection |

use tracer_common::journey::End;

use super::super::*;
use crate::{
    decode::{Close, CloseKind, JourneyBuilder},
    flow::Flow,
    http::{exchange::ResponseEnd, test_head::request_head},
};
use tracer_common::hook::Hook;

const CLIENT: u64 = JourneyBuilder::CLIENT_COOKIE;
const SERVER: u64 = JourneyBuilder::SERVER_COOKIE;

struct Fixture {
    flow: Flow,
    pairing: Http1Pairing,
    handshakes: Handshakes,
    now_ns: u64,
    exchanges: Vec<String>,
}

/// Plays `script`; checks the exchanges, each as `path status flags`.
pub(super) fn check(script: &str, expected: &[&str]) -> Http1Losses {
    check_with(Http1Pairing::default(), script, expected)
}

/// The same with a pairing that has other connections too.
pub(super) fn check_with(pairing: Http1Pairing, script: &str, expected: &[&str]) -> Http1Losses {
    let others = pairing.open;
    let mut fixture = Fixture {
        flow: Flow::default(),
        pairing,
        handshakes: Handshakes::default(),
        now_ns: 1_000_000,
        exchanges: Vec::new(),
    };
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        fixture.line(line);
    }
    assert_eq!(fixture.exchanges, expected, "{script}");
    let connections = fixture.pairing.connections.values_mut();
    let open: usize = connections
        .map(|connection| connection.exchanges().count())
        .sum();
    assert_eq!(fixture.pairing.open, others + open, "{script}");
    fixture.pairing.losses()
}

impl Fixture {
    fn line(&mut self, line: &str) {
        self.now_ns += 1_000;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse().unwrap();
        match words[0] {
            "at" => self.now_ns = words[1].parse().unwrap(),
            "s" => self.journey(Message::Syn, End::Socket, number(1), 0),
            "sd" => self.journey(Message::Syn, End::Dropped, number(1), 0),
            "a" => {
                let ack = words.get(2).map_or(0, |_| number(2));
                self.journey(Message::SynAck, End::Socket, number(1), ack);
            }
            "st" => {
                let (seq, ack) = (number(1), number(2));
                self.head(Message::Request, seq + 1, ack, &head(">", words[3]));
                let syn = JourneyBuilder::new(Message::Syn).in_syn(Message::Request);
                self.journey_of(syn.seq(seq).ack(ack).in_sequence(true));
            }
            "r>" => self.read(SERVER, number(1)),
            "r<" => self.read(CLIENT, number(1)),
            "c>" | "c<" => {
                let cookie = if words[0] == "c>" { CLIENT } else { SERVER };
                let until = words.get(2).map(|_| number(2));
                self.close(cookie, CloseKind::Closed, number(1), until);
            }
            "f<" => self.close(CLIENT, CloseKind::PeerFinished, 0, None),
            "served" => {
                let served = self.pairing.served();
                let state = served.map(|served| match served.until_ns {
                    None => "serving".to_owned(),
                    Some(_) => "served".to_owned(),
                });
                self.exchanges.extend(state);
            }
            "upgraded" => {
                let id = ConnectionId::of_client(CLIENT);
                let exchange = self.pairing.upgraded(id);
                self.exchanges
                    .extend(exchange.map(|exchange| format!("upgraded {}", text_of(&exchange))));
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
                self.pairing.expire(self.now_ns, &mut |exchange| {
                    exchanges.push(text_of(&exchange));
                });
            }
            ">+" | "<+" => {
                let rest = words[2..].join(" ");
                let rest = format!("{rest}\r\nContent-Length: 0\r\n\r\n");
                self.piece(kind_of(words[0]), number(1), &rest);
            }
            kind @ ("<e" | "<ed" | "<el" | "<f") => self.response_end(kind, [1, 2, 3].map(number)),
            kind => {
                let message = kind_of(kind);
                if !kind.ends_with('j') {
                    let heads: String = words[3..].iter().map(|word| head(kind, word)).collect();
                    self.head(message, number(1), number(2), &heads);
                }
                let journey = JourneyBuilder::new(message)
                    .end(end_of(kind))
                    .seq(number(1))
                    .ack(number(2))
                    .in_sequence(!kind.ends_with('x'));
                self.journey_of(if kind == "<o" {
                    journey.ends_later()
                } else {
                    journey
                });
            }
        }
    }

    fn close(&mut self, cookie: u64, what: CloseKind, errno: u32, until: Option<u32>) {
        self.flow.close(&Close {
            cookie,
            what,
            at_ns: self.now_ns,
            error: (errno != 0).then_some(errno),
            received_seq: until,
            sent_seq: until,
            last_loss_ns: 0,
        });
    }

    fn head(&mut self, message: Message, seq: u32, ack: u32, text: &str) {
        let from_client = message == Message::Request;
        let head = Head {
            message,
            start_ns: self.now_ns,
            sender_cookie: if from_client { CLIENT } else { SERVER },
            seq,
            ack,
            ..request_head(text.as_bytes())
        };
        let exchanges = &mut self.exchanges;
        self.pairing
            .head(&head, &mut self.handshakes, &mut |exchange| {
                exchanges.push(text_of(&exchange));
            });
    }

    fn piece(&mut self, message: Message, seq: u32, text: &str) {
        let from_client = message == Message::Request;
        let head = Head {
            message,
            start_ns: self.now_ns,
            sender_cookie: if from_client { CLIENT } else { SERVER },
            seq,
            continues: true,
            ..request_head(text.as_bytes())
        };
        let exchanges = &mut self.exchanges;
        self.pairing
            .head(&head, &mut self.handshakes, &mut |exchange| {
                exchanges.push(text_of(&exchange));
            });
    }

    fn journey(&mut self, message: Message, end: End, seq: u32, ack: u32) {
        let journey = JourneyBuilder::new(message).end(end).seq(seq).ack(ack);
        self.journey_of(journey);
    }

    fn response_end(&mut self, kind: &str, [seq, ack, payload_bytes]: [u32; 3]) {
        let journey = JourneyBuilder::new(Message::ResponseEnd)
            .end(end_of(kind))
            .seq(seq)
            .ack(ack)
            .payload_bytes(payload_bytes);
        self.journey_of(if kind == "<f" {
            journey.ends_later()
        } else {
            journey
        });
    }

    fn journey_of(&mut self, journey: JourneyBuilder) {
        let journey = journey
            .start_ns(self.now_ns)
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
            new_from: None,
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
                let id = event.connection;
                if let Some(syn_ack) = self.handshakes.event(event) {
                    self.pairing.syn_answered(id, &syn_ack);
                }
                continue;
            }
            self.pairing
                .event(event, &mut self.handshakes, &mut |exchange| {
                    exchanges.push(text_of(&exchange));
                });
        }
    }
}

fn end_of(kind: &str) -> End {
    match kind.as_bytes() {
        [.., b'd'] => End::Dropped,
        [.., b'l'] => End::Left,
        _ => End::Socket,
    }
}

fn kind_of(kind: &str) -> Message {
    if kind.starts_with('>') {
        Message::Request
    } else {
        Message::Response
    }
}

/// A head of a request to a path, or of a response with a status.
fn head(kind: &str, word: &str) -> String {
    const BODY: &str = "Content-Length: 18\r\n";
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    const TRACED: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    const H2C: &str = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
    match kind {
        ">u" => format!("GET {word} HTTP/1.1\r\nHost: a\r\n{H2C}\r\n"),
        ">b" => format!("POST {word} HTTP/1.1\r\nHost: a\r\n{BODY}\r\n"),
        ">t" => format!("GET {word} HTTP/1.1\r\nHost: a\r\n{TRACED}\r\n"),
        ">h" => format!("HEAD {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ">k" => format!("POST {word} HTTP/1.1\r\nHost: a\r\n{CHUNKED}\r\n"),
        "<b" | "<o" => format!("HTTP/1.1 {word} OK\r\n{BODY}\r\n"),
        "<k" => format!("HTTP/1.1 {word} OK\r\n{CHUNKED}\r\n"),
        "<w" => format!("HTTP/1.1 {word} OK\r\nServer: a\r\n\r\n"),
        ">p" | "<p" => word.to_owned(),
        ">c" => format!("CONNECT {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
        "<u" => format!("HTTP/1.1 {word} OK\r\n{H2C}\r\n"),
        kind if kind.starts_with('>') => format!("GET {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
        _ => format!("HTTP/1.1 {word} OK\r\nContent-Length: 0\r\n\r\n"),
    }
}

/// `path status`, then `connect`, with `syn-alone` where the SYN-ACK was not seen, `retransmits=N`, how the connection ended, `unread` where a read
/// time is missing, and `whole` or `open` where the end of the response was followed.
fn text_of(exchange: &Exchange) -> String {
    let path = exchange.asked.path.as_deref().unwrap_or("?");
    let status = match (&exchange.response, &exchange.answered) {
        (Some(_), Some(answered)) => answered.status.unwrap_or(0).to_string(),
        (Some(_), None) => "no-head".into(),
        (None, _) => "unanswered".into(),
    };
    let mut text = format!("{path} {status}");
    if let Some(connect) = &exchange.connect {
        text += " connect";
        if connect.syn_ack.is_none() {
            text += " syn-alone";
        }
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
    match exchange.response_end {
        _ if exchange.response.is_none() || exchange.ending.is_some() => {}
        ResponseEnd::Unseen | ResponseEnd::WithConnection | ResponseEnd::After(_) => {
            text += " open";
        }
        ResponseEnd::At(_) => text += " whole",
        ResponseEnd::NotFollowed => {}
    }
    text
}
