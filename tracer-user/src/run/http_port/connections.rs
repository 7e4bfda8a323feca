//! Which connections to the HTTP port stay open.
//!
//! In: the source address of each new connection. Out: its slot, and the end of the connection
//! that had to make room. A new connection is always admitted: a client that holds many cannot keep
//! others out.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The bound of all connections. Prometheus and a kubelet need two.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// The bound of the connections from one source.
pub(super) const MAX_OF_SOURCE: usize = 8;

/// The open connections of a listener, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    source: IpAddr,
    /// Dropped to close the connection.
    _close: oneshot::Sender<()>,
}

/// The slot of a connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connections: Connections,
    id: u64,
    /// Whether another connection had to make room.
    pub(super) has_displaced: bool,
    /// Ends when a newer connection needs the slot.
    pub(super) closed: oneshot::Receiver<()>,
}

impl Connections {
    /// Admits a connection. If its source has too many, the oldest of them is closed; if all
    /// sources together have, the oldest of the source that has most.
    pub(super) fn admit(&self, address: IpAddr) -> Admitted {
        let source = source(address);
        let (close, closed) = oneshot::channel();
        let mut open = self.lock();
        let has_displaced = open.make_room(source);
        let id = open.next_id;
        open.next_id += 1;
        open.slots.push(Slot {
            id,
            source,
            _close: close,
        });
        Admitted {
            connections: self.clone(),
            id,
            has_displaced,
            closed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Whether a connection had to be closed.
    fn make_room(&mut self, source: IpAddr) -> bool {
        let crowded = if self.of(source) >= MAX_OF_SOURCE {
            source
        } else if self.slots.len() >= MAX_CONNECTIONS {
            self.largest_source().unwrap_or(source)
        } else {
            return false;
        };
        let oldest = self.slots.iter().position(|slot| slot.source == crowded);
        if let Some(oldest) = oldest {
            self.slots.remove(oldest);
        }
        oldest.is_some()
    }

    fn of(&self, source: IpAddr) -> usize {
        let slots = self.slots.iter();
        slots.filter(|slot| slot.source == source).count()
    }

    /// The source with most connections; of several, the one with the oldest connection.
    fn largest_source(&self) -> Option<IpAddr> {
        let sources = self.slots.iter().rev().map(|slot| slot.source);
        sources.max_by_key(|source| self.of(*source))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let id = self.id;
        self.connections.lock().slots.retain(|slot| slot.id != id);
    }
}

/// The address that counts as one source: of IPv6 the first 64 bits, because a client may have all
/// addresses of its subnet.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let subnet = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(subnet))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    fn is_closed(admitted: &mut Admitted) -> bool {
        admitted.closed.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn a_source_that_has_too_many_loses_its_oldest() {
        let connections = Connections::default();
        let mut quiet = connections.admit(client(1));
        let mut busy: Vec<Admitted> = (0..2 * MAX_OF_SOURCE)
            .map(|_| connections.admit(client(2)))
            .collect();
        let closed: Vec<bool> = busy.iter_mut().map(is_closed).collect();
        assert!(closed[..MAX_OF_SOURCE].iter().all(|closed| *closed));
        assert!(closed[MAX_OF_SOURCE..].iter().all(|closed| !closed));
        let displacing = busy.iter().map(|admitted| admitted.has_displaced);
        assert!(displacing.eq((0..2 * MAX_OF_SOURCE).map(|number| number >= MAX_OF_SOURCE)));
        assert!(!is_closed(&mut quiet) && !quiet.has_displaced);
        assert_eq!(connections.lock().slots.len(), 1 + MAX_OF_SOURCE);
    }

    #[test]
    fn the_source_with_most_connections_makes_room_for_others() {
        let connections = Connections::default();
        let mut quiet = connections.admit(client(1));
        let mut busy = Vec::new();
        for source in 2..20 {
            busy.extend((0..MAX_OF_SOURCE).map(|_| connections.admit(client(source))));
        }
        assert_eq!(connections.lock().slots.len(), MAX_CONNECTIONS);
        assert!(!is_closed(&mut quiet));
        let mut last = connections.admit(client(1));
        assert!(!is_closed(&mut quiet) && !is_closed(&mut last));
        drop((busy, quiet, last));
        assert_eq!(connections.lock().slots.len(), 0);
    }

    #[test]
    fn a_subnet_of_ipv6_is_one_source() {
        let check = |one: &str, other: &str, same: bool| {
            let [one, other] = [one, other].map(|text| source(text.parse().unwrap()));
            assert_eq!(one == other, same, "{one} {other}");
        };
        check("fd00::1", "fd00::2:3", true);
        check("fd00::1", "fd00:0:0:1::1", false);
        check("::ffff:10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
    }
}
