//! Assigns journeys, fragments, reads and closes to connections.
//!
//! In: decoded records. Out: [`Event`]s, each with its connection and direction. Knows sockets,
//! sequence numbers and time; knows no HTTP.
//!
//! A connection is identified by the cookie of its client's socket: unique until the machine
//! reboots, and independent of NAT and port reuse. A client on another node has a synthetic cookie,
//! hashed from the tuple of its packets. It recurs when the client reuses the port; a new SYN then
//! begins a new connection.

mod connection;
mod ending;
mod event;
mod failed_connects;
mod fast_open;
mod losses;
mod placement;
mod sender;
mod side;
mod unplaced_fragments;

use std::collections::HashMap;

use tracer_common::{journey::End, message::Message, remote::is_remote};

use crate::decode::{
    Close, CloseKind, Conntrack, FailedConnect, Fragment, Journey, Read, Tuple, Window, WindowKind,
};

pub use ending::{Cause, Ending, LastLoss, ServerBytes};
pub use event::{ConnectionId, Event, EventKind, PacketId, ZeroWindow};
pub use losses::Losses;
pub use side::Side;
pub use tracer_common::seq::{after, before};
pub(crate) use unplaced_fragments::MAX_BYTES as UNPLACED_FRAGMENTS_MAX_BYTES;

use connection::{Connection, ENDING_NS, MAX_UNREAD_OF_ALL, push_unread, trim};
use ending::EndEvidence;
use failed_connects::FailedConnects;
use unplaced_fragments::UnplacedFragments;

/// Bound on connections. More are refused and counted until idle ones expire. Each takes at most
/// 768 bytes in the three tables, 48 MiB in all.
const MAX_CONNECTIONS: usize = 65_536;
/// A connection without records for this long is removed. It is long because a live stream may be
/// silent, and a connection whose sockets close is removed anyway.
const IDLE_NS: u64 = 3_600_000_000_000;
/// The same, while the table is more than half full.
const CROWDED_IDLE_NS: u64 = 120_000_000_000;
/// The same, for a connection from another node that has carried no message: its server socket,
/// whose close would end it, is unknown before the first request.
const UNUSED_NS: u64 = 10_000_000_000;

// A hash table's capacity is up to twice its number of entries.
const _: () = assert!(2 * (size_of::<(u64, Connection)>() + size_of::<(Tuple, u64)>() + 16) <= 768);

/// The connections of this node.
#[derive(Debug, Default)]
pub struct Flow {
    by_client: HashMap<u64, Connection>,
    client_of_server: HashMap<u64, u64>,
    client_of_tuple: HashMap<Tuple, u64>,
    unplaced: UnplacedFragments,
    failed_connects: FailedConnects,
    /// Unread messages of all connections.
    unread: usize,
    losses: Losses,
}

impl Flow {
    /// Counts of what could not be assigned so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Number of connections in the table.
    pub fn connections(&self) -> usize {
        self.by_client.len()
    }

    /// Connections in the table, and their bound.
    pub fn occupancy(&self) -> (usize, usize) {
        (self.connections(), MAX_CONNECTIONS)
    }

    /// Unread messages of all connections, and their bound.
    pub fn unread(&self) -> (usize, usize) {
        (self.unread, MAX_UNREAD_OF_ALL)
    }

    /// Assigns a journey to its connection, after the fragments of its sender that waited for that.
    /// The message in a SYN follows as a journey of its own when it is known whether the server has
    /// taken it.
    pub fn journey(&mut self, journey: Journey, emit: &mut impl FnMut(Event)) {
        let in_syn = match journey.message {
            Message::Syn => fast_open::carried(&journey),
            Message::SynAck => self.answered_syn(&journey),
            _ => None,
        };
        let is_syn = journey.message == Message::Syn;
        self.packet(journey, emit);
        match in_syn {
            Some(carried) if is_syn && !fast_open::is_taken(&carried) => self.hold(carried),
            Some(carried) => self.packet(carried, emit),
            None => {}
        }
    }

    /// Keeps the message in a SYN until the SYN-ACK.
    fn hold(&mut self, carried: Journey) {
        if let Some(connection) = self.by_client.get_mut(&carried.sender_cookie) {
            connection.in_syn = Some(Box::new(carried));
        }
    }

    /// The message in the SYN that a SYN-ACK answers, if one was kept.
    fn answered_syn(&mut self, syn_ack: &Journey) -> Option<Journey> {
        let (_, client_cookie) = self.sender(syn_ack)?;
        let carried = self.by_client.get_mut(&client_cookie)?.in_syn.take()?;
        Some(fast_open::answered(*carried, syn_ack))
    }

    fn packet(&mut self, journey: Journey, emit: &mut impl FnMut(Event)) {
        let Some((side, client_cookie)) = self.sender(&journey) else {
            self.losses.journeys_unplaced += 1;
            return;
        };
        if self.begins_another_connection(&journey, client_cookie) {
            self.forget(client_cookie).into_iter().for_each(&mut *emit);
        }
        if self.by_client.len() >= MAX_CONNECTIONS && !self.by_client.contains_key(&client_cookie) {
            self.losses.connections_refused += 1;
            return;
        }
        if journey.message == Message::Syn {
            self.report_failure_before_retry(client_cookie, journey.start_ns, emit);
        }
        self.update_connection(&journey, side, client_cookie);
        let id = ConnectionId(client_cookie);
        for (side, fragment) in self.unplaced.take_with(&journey, side) {
            emit(id.event(EventKind::Fragment { side, fragment }));
        }
        emit(id.event(EventKind::Journey { side, journey }));
    }

    /// For a SYN. A socket that has failed to connect before begins a new connection under the same
    /// cookie: the failure is emitted before any event of the new connection.
    fn report_failure_before_retry(
        &mut self,
        cookie: u64,
        at_ns: u64,
        emit: &mut impl FnMut(Event),
    ) {
        let failed_before = |end: &EndEvidence| {
            let ending = end.ending();
            ending.is_some_and(|ending| ending.at_ns <= at_ns)
        };
        let Some(connection) = self.by_client.get_mut(&cookie) else {
            return;
        };
        if !connection.is_client_closed || !failed_before(&connection.end) {
            return;
        }
        for failed in self.failed_connects.take(cookie, at_ns) {
            connection.end = EndEvidence::default();
            connection.is_ending_reported = false;
            connection.is_client_closed = false;
            emit(ConnectionId(cookie).event(EventKind::ConnectFailed(failed)));
        }
    }

    /// Assigns a fragment to its connection, or keeps it until the connection is known.
    pub fn fragment(&mut self, fragment: Fragment, emit: &mut impl FnMut(Event)) {
        let cookie = fragment.sender_cookie;
        let known = if self.by_client.contains_key(&cookie) {
            Some((Side::Client, cookie))
        } else {
            self.by_server(cookie, &fragment.sent)
        };
        let Some((side, client_cookie)) = known else {
            self.losses.fragments_unplaced += self.unplaced.push(fragment);
            return;
        };
        if let Some(connection) = self.by_client.get_mut(&client_cookie) {
            connection.last_ns = fragment.start_ns;
        }
        let id = ConnectionId(client_cookie);
        // The waiting fragments come first: header compression depends on the order within a
        // direction.
        for fragment in self.unplaced.take(cookie).into_iter().chain([fragment]) {
            emit(id.event(EventKind::Fragment { side, fragment }));
        }
    }

    /// Updates a connection from one of its journeys.
    fn update_connection(&mut self, journey: &Journey, side: Side, client_cookie: u64) {
        let connection = self.by_client.entry(client_cookie).or_default();
        connection.last_ns = journey.start_ns;
        match journey.message {
            Message::Syn => connection.syn_seq = Some(journey.seq),
            Message::SynAck => {}
            // A message that reached no known socket does not show that the connection is in use.
            Message::Request | Message::Response | Message::ResponseEnd | Message::Headers => {
                connection.has_carried |= matches!(journey.end, End::Socket | End::Left);
                // A request whose packet was under way when the connection ended ends with it.
                connection.is_ending_reported &= side == Side::Server;
            }
        }
        let to_server = side == Side::Client;
        let is_handshake = matches!(journey.message, Message::Syn | Message::SynAck);
        let is_received = journey.end == End::Socket && !is_handshake;
        let server_cookie = match side {
            Side::Client if is_received => Some(journey.receiver_cookie),
            Side::Server if is_received || journey.has_arrived() => Some(journey.sender_cookie),
            _ => None,
        };
        if let Some(server_cookie) = server_cookie {
            connection.server_cookie = Some(server_cookie);
            self.client_of_server.insert(server_cookie, client_cookie);
        }
        if to_server && connection.from_server.is_none() {
            // Without conntrack or a receiver there was no translation on this node.
            let untranslated = journey.has_left().then(|| journey.sent.reversed());
            let known = journey.translation();
            connection.asked = known.map(|known| known.original.destination);
            connection.from_server = known.map(|known| known.reply).or(untranslated);
            if let Some(tuple) = connection.from_server {
                self.client_of_tuple.insert(tuple, client_cookie);
            }
        }
        if is_received {
            let unread = match side {
                Side::Client => &mut connection.unread_requests,
                Side::Server => &mut connection.unread_responses,
            };
            let discarded = push_unread(unread, &mut self.unread, journey.read_seq());
            self.losses.unread_discarded += discarded;
        }
    }

    /// The translation of a journey's connection, as an earlier packet to the server has shown it.
    /// Its client has the address that the server sees.
    pub fn translation(&self, journey: &Journey) -> Option<Conntrack> {
        let (_, client_cookie) = self.sender(journey)?;
        let connection = self.by_client.get(&client_cookie)?;
        let reply = connection.from_server?;
        let original = Tuple {
            source: reply.destination,
            destination: connection.asked?,
        };
        Some(Conntrack { original, reply })
    }

    /// Emits the messages that a read took out of its socket's receive queue. Of a message that was
    /// read before, in a read whose record is lost, it is not known when.
    pub fn read(&mut self, read: Read, emit: &mut impl FnMut(Event)) {
        let Read { at_ns, tgid, .. } = read;
        let client_cookie = self.client_of_server.get(&read.cookie).copied();
        let connection = ConnectionId(client_cookie.unwrap_or(read.cookie));
        let Some(known) = self.by_client.get_mut(&connection.0) else {
            return;
        };
        known.last_ns = at_ns;
        let unread = if client_cookie.is_some() {
            &mut known.unread_requests
        } else {
            &mut known.unread_responses
        };
        while let Some(seq) = unread.pop_front_if(|seq| before(*seq, read.read_seq)) {
            self.unread -= 1;
            if read.new_from.is_some_and(|from| before(seq, from)) {
                continue;
            }
            let kind = if client_cookie.is_some() {
                EventKind::RequestRead { seq, at_ns, tgid }
            } else {
                EventKind::ResponseRead { seq, at_ns }
            };
            emit(Event { connection, kind });
        }
        trim(unread);
    }

    /// The event of a socket's receive window; `None` where the connection is unknown.
    pub fn window(&mut self, window: &Window) -> Option<Event> {
        let (side, client_cookie) = self.side_of(window.cookie);
        let connection = self.by_client.get_mut(&client_cookie)?;
        connection.last_ns = window.at_ns;
        let zero = ZeroWindow {
            closed_ns: window.closed_ns,
            opened_ns: (window.what == WindowKind::Opened).then_some(window.at_ns),
        };
        Some(ConnectionId(client_cookie).event(EventKind::Window { side, zero }))
    }

    /// Notes that a socket has closed, or a FIN. Its events come from [`Self::expire`].
    pub fn close(&mut self, close: &Close) {
        let (side, client_cookie) = self.side_of(close.cookie);
        let Some(connection) = self.by_client.get_mut(&client_cookie) else {
            return;
        };
        let ends_connection = side == Side::Client || is_remote(client_cookie);
        connection.is_client_closed |= ends_connection && close.what == CloseKind::Closed;
        connection.end.add(close, side);
    }

    /// Notes a failed connect. Its events come from [`Self::expire`], or with the next SYN of the
    /// same socket.
    pub fn connect_failed(&mut self, failed: FailedConnect) {
        self.close(&Close {
            cookie: failed.cookie,
            what: CloseKind::Closed,
            at_ns: failed.at_ns,
            error: failed.error,
            received_seq: None,
            sent_seq: None,
            last_loss_ns: 0,
        });
        self.losses.failed_connects_refused += u64::from(!self.failed_connects.push(failed));
    }

    /// Returns the ends of connections and failed connects that are due, and removes ended and idle
    /// connections.
    pub fn expire(&mut self, now_ns: u64) -> Vec<Event> {
        self.losses.fragments_unplaced += self.unplaced.expire(now_ns);
        let idle_ns = if self.by_client.len() > MAX_CONNECTIONS / 2 {
            CROWDED_IDLE_NS
        } else {
            IDLE_NS
        };
        let until_ns = now_ns.saturating_sub(ENDING_NS);
        self.drain_ended(now_ns, until_ns, |client_cookie, connection| {
            let is_over = connection.is_client_closed && connection.ended(now_ns).is_some();
            let silent_ns = now_ns.saturating_sub(connection.last_ns);
            let is_unused = is_remote(client_cookie) && !connection.has_carried;
            is_over || silent_ns > idle_ns || (is_unused && silent_ns > UNUSED_NS)
        })
    }

    /// Ends and removes all connections. To be called after the last record.
    pub fn finish(&mut self) -> Vec<Event> {
        self.drain_ended(u64::MAX, u64::MAX, |_, _| true)
    }

    /// Events of the connections that have ended since the last call, of connects that failed until
    /// `failed_until_ns`, and of the connections that are `over`, which are removed. A connection
    /// reports its end again after a request, which the client may have sent between the server's
    /// close and its own, and when the client is closed.
    fn drain_ended(
        &mut self,
        now_ns: u64,
        failed_until_ns: u64,
        over: impl Fn(u64, &Connection) -> bool,
    ) -> Vec<Event> {
        let (mut events, mut forgotten) = (Vec::new(), Vec::new());
        for (client_cookie, connection) in &mut self.by_client {
            if (!connection.is_ending_reported || connection.is_client_closed)
                && let Some(ending) = connection.ended(now_ns)
            {
                connection.is_ending_reported = true;
                let last_loss = connection.end.last_loss;
                let ended = EventKind::Ended { ending, last_loss };
                events.push(ConnectionId(*client_cookie).event(ended));
            }
            if over(*client_cookie, connection) {
                forgotten.push(*client_cookie);
            }
        }
        // The output must not depend on the order of a hash map.
        events.sort_unstable_by_key(|event| event.connection);
        forgotten.sort_unstable();
        events.extend(self.failed_connects.take_until(failed_until_ns));
        let forgotten = forgotten.into_iter();
        events.extend(forgotten.filter_map(|client_cookie| self.forget(client_cookie)));
        events
    }

    fn forget(&mut self, client_cookie: u64) -> Option<Event> {
        let connection = self.by_client.remove(&client_cookie)?;
        self.unread -= connection.unread_requests.len() + connection.unread_responses.len();
        if let Some(server_cookie) = connection.server_cookie {
            self.client_of_server.remove(&server_cookie);
        }
        if let Some(tuple) = connection.from_server {
            self.client_of_tuple.remove(&tuple);
        }
        Some(ConnectionId(client_cookie).event(EventKind::Forgotten))
    }
}

#[cfg(test)]
mod tests;
