//! Journeys and reads to connections.
//!
//! In: decoded records. Out: `Event`s, each with the connection it belongs to, its direction
//! known. Knows sockets, sequence numbers and time; knows no HTTP.
//!
//! A connection is known by the cookie of its client's socket: unique for the life of the machine,
//! and untouched by NAT and port re-use.

mod seq;

use std::collections::{HashMap, VecDeque};

use tracer_common::{journey::End, message::Message};

use crate::decode::{Head, Journey, Read};

pub use seq::{after, before};

/// Connections remembered; more are refused, and counted, until idle ones expire.
const MAX_CONNECTIONS: usize = 65_536;
/// Unread messages remembered per connection and direction; the oldest goes first.
const MAX_UNREAD: usize = 128;
/// A connection on which nothing was seen for this long is forgotten.
const IDLE_NS: u64 = 120_000_000_000;

/// A connection, for as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

/// Something that happened on one connection.
#[derive(Debug)]
pub struct Event {
    /// Which.
    pub connection: ConnectionId,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[expect(
    clippy::large_enum_variant,
    reason = "an event is handed on at once and most are journeys: a box would cost an allocation each"
)]
#[derive(Debug)]
pub enum EventKind {
    /// A SYN, SYN-ACK, request or response has crossed this node, or ended on it.
    Journey(Journey),
    /// The server has read the request that starts at `seq`.
    RequestRead {
        /// First byte of the head.
        seq: u32,
        /// When, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// The client has read the response that starts at `seq`.
    ResponseRead {
        /// First byte of the head.
        seq: u32,
        /// When, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// Nothing has come for long, or never will: whatever is open on it is over.
    Forgotten,
}

/// What joins a head to the journey of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketId {
    sender_cookie: u64,
    seq: u32,
    start_ns: u64,
}

impl PacketId {
    /// Nanoseconds since the packet left its socket.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns)
    }
}

impl From<&Head> for PacketId {
    fn from(head: &Head) -> Self {
        Self {
            sender_cookie: head.sender_cookie,
            seq: head.seq,
            start_ns: head.start_ns,
        }
    }
}

impl From<&Journey> for PacketId {
    fn from(journey: &Journey) -> Self {
        Self {
            sender_cookie: journey.sender_cookie,
            seq: journey.seq,
            start_ns: journey.start_ns,
        }
    }
}

/// What could not be placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Journeys on connections beyond the limit.
    pub connections_refused: u64,
    /// Journeys that name no connection known here (a response that was dropped, of a connection
    /// whose requests were not seen).
    pub journeys_unplaced: u64,
}

#[derive(Debug, Default)]
struct Connection {
    server_cookie: Option<u64>,
    unread_requests: VecDeque<u32>,
    unread_responses: VecDeque<u32>,
    last_ns: u64,
}

/// The connections of this node.
#[derive(Debug, Default)]
pub struct Flow {
    by_client: HashMap<u64, Connection>,
    client_of_server: HashMap<u64, u64>,
    losses: Losses,
}

impl Flow {
    /// What could not be placed so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Connections remembered now.
    pub fn connections(&self) -> usize {
        self.by_client.len()
    }

    /// Places a journey on its connection.
    pub fn journey(&mut self, journey: Journey) -> Option<Event> {
        let Some(client_cookie) = self.client_of(&journey) else {
            self.losses.journeys_unplaced += 1;
            return None;
        };
        if self.by_client.len() >= MAX_CONNECTIONS && !self.by_client.contains_key(&client_cookie) {
            self.losses.connections_refused += 1;
            return None;
        }
        let connection = self.by_client.entry(client_cookie).or_default();
        connection.last_ns = journey.start_ns;
        if journey.end == End::Socket {
            match journey.message {
                Message::Request => {
                    remember(&mut connection.unread_requests, journey.seq);
                    connection.server_cookie = Some(journey.receiver_cookie);
                    self.client_of_server
                        .insert(journey.receiver_cookie, client_cookie);
                }
                Message::Response => remember(&mut connection.unread_responses, journey.seq),
                Message::Syn | Message::SynAck => {}
            }
        }
        Some(Event {
            connection: ConnectionId(client_cookie),
            kind: EventKind::Journey(journey),
        })
    }

    /// Which messages a read has taken out of its socket's receive queue.
    pub fn read(&mut self, read: Read) -> Vec<Event> {
        let at_ns = read.at_ns;
        let client_cookie = self.client_of_server.get(&read.cookie).copied();
        let connection = ConnectionId(client_cookie.unwrap_or(read.cookie));
        let Some(known) = self.by_client.get_mut(&connection.0) else {
            return Vec::new();
        };
        known.last_ns = at_ns;
        let unread = if client_cookie.is_some() {
            &mut known.unread_requests
        } else {
            &mut known.unread_responses
        };
        let mut events = Vec::new();
        while let Some(seq) = unread.pop_front_if(|seq| before(*seq, read.read_seq)) {
            let kind = if client_cookie.is_some() {
                EventKind::RequestRead { seq, at_ns }
            } else {
                EventKind::ResponseRead { seq, at_ns }
            };
            events.push(Event { connection, kind });
        }
        events
    }

    /// Forgets what has been idle for long.
    pub fn expire(&mut self, now_ns: u64) -> Vec<Event> {
        self.forget_if(|connection| now_ns.saturating_sub(connection.last_ns) > IDLE_NS)
    }

    /// Forgets everything: no record will come any more.
    pub fn finish(&mut self) -> Vec<Event> {
        self.forget_if(|_| true)
    }

    fn forget_if(&mut self, over: impl Fn(&Connection) -> bool) -> Vec<Event> {
        let mut forgotten: Vec<u64> = Vec::new();
        self.by_client.retain(|client_cookie, connection| {
            let over = over(connection);
            if over {
                forgotten.push(*client_cookie);
                if let Some(server_cookie) = connection.server_cookie {
                    self.client_of_server.remove(&server_cookie);
                }
            }
            !over
        });
        // The order of a hash map is not for others to depend on.
        forgotten.sort_unstable();
        forgotten
            .into_iter()
            .map(|client_cookie| Event {
                connection: ConnectionId(client_cookie),
                kind: EventKind::Forgotten,
            })
            .collect()
    }

    /// The client's socket. A dropped answer names the server's only.
    fn client_of(&self, journey: &Journey) -> Option<u64> {
        match journey.message {
            Message::Syn | Message::Request => Some(journey.sender_cookie),
            Message::SynAck | Message::Response if journey.end == End::Socket => {
                Some(journey.receiver_cookie)
            }
            Message::SynAck | Message::Response => {
                self.client_of_server.get(&journey.sender_cookie).copied()
            }
        }
    }
}

fn remember(unread: &mut VecDeque<u32>, seq: u32) {
    if unread.len() >= MAX_UNREAD {
        unread.pop_front();
    }
    unread.push_back(seq);
}

#[cfg(test)]
mod tests;
