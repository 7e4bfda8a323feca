//! Tells the story of a connection to the stages `flow` and `http`, from text.
//!
//! A line is one record: `> SEQ ACK PATH...` requests in one packet, `< SEQ ACK STATUS...` responses, each with its
//! head and its journey; `>d`/`<d` the same, dropped on its way; `>j`/`<j` the journey alone, its
//! head lost; `r> SEQ`/`r< SEQ` the application reads it; `s SEQ` and `a SEQ` SYN and SYN-ACK;
//! `at NS` sets the clock; `expire NS` lets time pass; `forget` ends the connection.

use bytes::Bytes;
use tracer_common::journey::End;

use super::super::*;
use crate::{
    decode::{Stamp, Tuple},
    flow::Flow,
};
use tracer_common::hook::Hook;

pub(super) const CLIENT: u64 = 7;
const SERVER: u64 = 9;

struct Story {
    flow: Flow,
    pairing: Pairing,
    handshakes: Handshakes,
    now_ns: u64,
    exchanges: Vec<String>,
}

/// Plays `story`; checks the exchanges, each as `path status flags`.
pub(super) fn check(story: &str, expected: &[&str]) -> Losses {
    let mut told = Story {
        flow: Flow::default(),
        pairing: Pairing::default(),
        handshakes: Handshakes::default(),
        now_ns: 1_000_000,
        exchanges: Vec::new(),
    };
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        told.line(line);
    }
    assert_eq!(told.exchanges, expected, "{story}");
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
            "forget" => {
                let events = self.flow.finish();
                self.events(events);
            }
            "expire" => {
                self.now_ns += words[1].parse::<u64>().unwrap();
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
                    self.head(message, number(1), number(2), &words[3..]);
                }
                let end = if kind.ends_with('d') {
                    End::Dropped
                } else {
                    End::Socket
                };
                self.journey(message, end, number(1), number(2));
            }
        }
    }

    fn head(&mut self, message: Message, seq: u32, ack: u32, words: &[&str]) {
        let text = |word: &&str| match message {
            Message::Request => format!("GET {word} HTTP/1.1\r\nHost: a\r\n\r\n"),
            _ => format!("HTTP/1.1 {word} OK\r\nContent-Length: 0\r\n\r\n"),
        };
        let text: String = words.iter().map(text).collect();
        self.pairing.head(&Head {
            message,
            start_ns: self.now_ns,
            sender_cookie: cookies(message).0,
            seq,
            ack,
            payload_bytes: text.len() as u32,
            sent: tuple(),
            continues: false,
            bytes: Bytes::from(text),
        });
    }

    fn journey(&mut self, message: Message, end: End, seq: u32, ack: u32) {
        let (sender_cookie, receiver_cookie) = cookies(message);
        let mut events = Vec::new();
        let journey = Journey {
            message,
            end,
            start_ns: self.now_ns,
            sender_cookie,
            sender_cgroup: 0,
            receiver_cgroup: 0,
            receiver_cookie: if end == End::Socket {
                receiver_cookie
            } else {
                0
            },
            seq,
            ack,
            payload_bytes: 100,
            drop_reason: None,
            sent: tuple(),
            received: None,
            conntrack: None,
            stamps: vec![Stamp {
                at_ns: self.now_ns + 10,
                hook: Hook::CgroupIngress,
                device: None,
            }],
            stamps_cut: false,
            head_lost: false,
        };
        self.flow.journey(journey, &mut |event| events.push(event));
        self.events(events);
    }

    fn read(&mut self, cookie: u64, seq: u32) {
        let events = self.flow.read(crate::decode::Read {
            cookie,
            read_seq: seq.wrapping_add(1),
            at_ns: self.now_ns,
        });
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

fn cookies(message: Message) -> (u64, u64) {
    match message {
        Message::Syn | Message::Request => (CLIENT, SERVER),
        Message::SynAck | Message::Response | Message::Headers => (SERVER, CLIENT),
    }
}

pub(super) fn tuple() -> Tuple {
    let address = "10.244.0.2:40000".parse().unwrap();
    Tuple {
        source: address,
        destination: address,
    }
}

/// `path status`, then `connect`, `retransmits=N`, and `unread` where a read time is missing.
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
    if legs.iter().flatten().any(|leg| leg.read_ns.is_none()) {
        text += " unread";
    }
    text
}
