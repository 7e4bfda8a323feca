//! Notifications of changes of nf_tables' rules, which include those that today's `iptables`
//! writes.
//!
//! In: nfnetlink's multicast group NFNLGRP_NFTABLES, in the network namespace of the thread that
//! opens the socket. Out: whether a table of kube-proxy has changed, and which generation is
//! complete. The legacy back end of iptables sends no notifications.

use std::{io, time::Duration};

use netlink_packet_core::{NetlinkBuffer, NlasIterator};
use nix::sys::socket::SockProtocol;

use crate::netlink::{Listener, Received, after_message};

/// kernel: enum nfnetlink_groups, NFNLGRP_NFTABLES = 7; groups up to 32 are a bit mask.
const NFTABLES_GROUP: u32 = 1 << (7 - 1);
/// The kernel joins notifications up to NLMSG_GOODSIZE, at most 8 KiB (kernel: nft_commit_notify).
const BUFFER_BYTES: usize = 32 << 10;
/// NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN: the generation, sent after each change.
const NEW_GENERATION: u16 = 10 << 8 | 15;
/// The tables that kube-proxy writes to.
const TABLES: [&[u8]; 3] = [b"nat\0", b"filter\0", b"kube-proxy\0"];

/// The socket that receives the notifications.
#[derive(Debug)]
pub struct RuleChanges {
    listener: Listener,
    /// The generation of the last complete change. `None` before the first change and after a loss
    /// of notifications.
    completed: Option<u32>,
}

/// The content of some notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// A table of kube-proxy has changed, or an unknown table.
    kube_proxy: bool,
    /// The generation of the last change, which is complete when the kernel sends this.
    generation: Option<u32>,
}

impl RuleChanges {
    /// Opens the socket. Changes from now on are received.
    ///
    /// # Errors
    ///
    /// When the kernel lacks nfnetlink.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            listener: Listener::open(SockProtocol::NetlinkNetFilter, NFTABLES_GROUP, BUFFER_BYTES)?,
            completed: None,
        })
    }

    /// Waits for a notification and reads all that are queued. True when a table of kube-proxy has
    /// changed; false otherwise, and when `timeout` passes.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        if !self.listener.wait(timeout)? {
            return Ok(false);
        }
        self.drain()
    }

    /// Whether rules that were read at this generation may mix two states: a table of kube-proxy
    /// has changed since the last call, or the change that led to the generation is not complete.
    ///
    /// kernel: nf_tables_commit increments the generation, then unlinks the old rules, and sends
    /// NFT_MSG_NEWGEN at its end. A dump meanwhile misses rules, because each unlinked rule shifts
    /// the rest.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn overtook(&mut self, generation: u32) -> io::Result<bool> {
        let changed = self.drain()?;
        let under_way = self.completed.is_some_and(|last| last != generation);
        Ok(changed || under_way)
    }

    /// Reads all notifications that are queued. True when a table of kube-proxy has changed.
    fn drain(&mut self) -> io::Result<bool> {
        let mut batch = Batch::default();
        self.listener.drain(|received| match received {
            Received::Datagram(datagram) => batch.add(parse(datagram)),
            Received::Loss => batch.lose(),
        })?;
        self.completed = batch.completed(self.completed);
        Ok(batch.changes.kube_proxy)
    }
}

/// All notifications that one call reads.
#[derive(Debug, Default)]
struct Batch {
    changes: Changes,
    is_cut: bool,
}

impl Batch {
    fn add(&mut self, changes: Changes) {
        self.changes.kube_proxy |= changes.kube_proxy;
        self.changes.generation = changes.generation.or(self.changes.generation);
    }

    /// Notifications were lost. Their tables are unknown, so kube-proxy's count as changed.
    fn lose(&mut self) {
        self.changes.kube_proxy = true;
        self.is_cut = true;
    }

    /// The generation of the last complete change; `before` is the one before this batch. `None`
    /// after a loss: the kernel reports the loss first (kernel: netlink_overrun), then delivers
    /// older notifications, and no newer one may follow.
    fn completed(&self, before: Option<u32>) -> Option<u32> {
        if self.is_cut {
            None
        } else {
            self.changes.generation.or(before)
        }
    }
}

/// Reads a datagram of notifications.
fn parse(mut datagram: &[u8]) -> Changes {
    let mut changes = Changes::default();
    while !datagram.is_empty() {
        let Ok(message) = NetlinkBuffer::new_checked(datagram) else {
            changes.kube_proxy = true;
            return changes;
        };
        // The first attribute is the table's name; of NEW_GENERATION it is the generation.
        let attributes = message.payload().get(4..).unwrap_or_default();
        match (message.message_type(), NlasIterator::new(attributes).next()) {
            (NEW_GENERATION, Some(Ok(id))) => {
                let id = id.value().first_chunk().copied();
                changes.generation = id.map(u32::from_be_bytes);
            }
            (NEW_GENERATION, _) => {}
            (_, Some(Ok(table))) => changes.kube_proxy |= TABLES.contains(&table.value()),
            _ => changes.kube_proxy = true,
        }
        datagram = after_message(datagram, message.length());
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = crate::netlink::request_message(kind, 0, 0, body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn after_a_loss_no_generation_is_complete() {
        let of = |generation| Changes {
            kube_proxy: false,
            generation,
        };
        let mut batch = Batch::default();
        batch.add(of(Some(7)));
        batch.add(of(None));
        assert_eq!(batch.completed(Some(6)), Some(7));
        assert!(!batch.changes.kube_proxy);
        let mut batch = Batch::default();
        assert_eq!(batch.completed(Some(6)), Some(6));
        batch.lose();
        batch.add(of(Some(7)));
        assert_eq!(batch.completed(Some(6)), None);
        assert!(batch.changes.kube_proxy);
    }

    #[test]
    fn only_kube_proxys_tables_and_unreadable_messages_count() {
        let chain = |body: &[u8]| message(10 << 8 | 3, body);
        let nat = chain(b"\x02\0\0\0\x08\0\x01\0nat\0");
        let other = chain(b"\x02\0\0\0\x0a\0\x01\0calico\0\0\0");
        let generation = message(NEW_GENERATION, b"\0\0\0\0\x08\0\x01\0\0\0\x01\x09");
        let check = |datagram: &[u8], kube_proxy, generation| {
            let expected = Changes {
                kube_proxy,
                generation,
            };
            assert_eq!(parse(datagram), expected, "{datagram:?}");
        };
        check(&nat, true, None);
        check(
            &[other.clone(), generation.clone()].concat(),
            false,
            Some(265),
        );
        check(&[other.clone(), nat, generation].concat(), true, Some(265));
        check(b"", false, None);
        check(&message(NEW_GENERATION, b"\0\0\0\0"), false, None);
        for broken in [
            &other[..10],
            &chain(b"\x02"),
            &chain(b"\x02\0\0\0\xff\xff\x01\0"),
        ] {
            check(broken, true, None);
        }
    }
}
