//! Tells when the rules of nf_tables change, which is also where most of today's `iptables` keep their
//! own.
//!
//! Listens to the kernel's notifications in the network namespace of the thread that opened it
//! (nfnetlink multicast group NFNLGRP_NFTABLES). The legacy back end of iptables sends none.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use netlink_packet_core::{NetlinkBuffer, NlasIterator};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockProtocol, recv},
};

use crate::netlink;

/// kernel: enum nfnetlink_groups, NFNLGRP_NFTABLES = 7; groups up to 32 are a bit mask.
const NFTABLES_GROUP: u32 = 1 << (7 - 1);
/// NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN: after each change, with the number of the new state.
const NEW_GENERATION: u16 = 10 << 8 | 15;
/// The tables that kube-proxy writes to.
const TABLES: [&[u8]; 3] = [b"nat\0", b"filter\0", b"kube-proxy\0"];

/// The kernel's notifications.
#[derive(Debug)]
pub struct RuleChanges {
    socket: OwnedFd,
    /// The last change that is complete. `None` before the first, or when notifications were lost.
    completed: Option<u32>,
}

/// What some notifications say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct News {
    /// One of kube-proxy's tables has changed, or it cannot be said which has.
    concerns: bool,
    /// The generation that a change has led to; it comes after the change is complete.
    generation: Option<u32>,
}

impl RuleChanges {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the kernel has no nfnetlink.
    pub fn listen() -> io::Result<Self> {
        let socket = netlink::listen(SockProtocol::NetlinkNetFilter, NFTABLES_GROUP)?;
        Ok(Self {
            socket,
            completed: None,
        })
    }

    /// Waits for a notification, or until `timeout` has passed, and takes all there are. True when
    /// one of kube-proxy's tables has changed.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        if !netlink::wait(&self.socket, timeout)? {
            return Ok(false);
        }
        self.take_all()
    }

    /// Whether rules that were read with this generation may be a mixture: one of kube-proxy's tables
    /// has changed since the last call, or the change that led to the generation is not complete.
    ///
    /// kernel: nf_tables_commit counts the generation up first, then unlinks what is gone, and tells
    /// when it is done. What is unlinked under a dump shifts the rest, so that the dump misses rules.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn overtook(&mut self, generation: u32) -> io::Result<bool> {
        let changed = self.take_all()?;
        let under_way = self.completed.is_some_and(|last| last != generation);
        Ok(changed || under_way)
    }

    /// Takes all notifications there are.
    fn take_all(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 32 << 10];
        let mut heard = Heard::default();
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(bytes) => heard.add(news(buffer.get(..bytes).unwrap_or_default())),
                Err(Errno::ENOBUFS) => heard.lost(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.completed = heard.completed(self.completed);
                    return Ok(heard.news.concerns);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// All notifications that were taken at once.
#[derive(Debug, Default)]
struct Heard {
    news: News,
    are_lost: bool,
}

impl Heard {
    fn add(&mut self, news: News) {
        self.news.concerns |= news.concerns;
        self.news.generation = news.generation.or(self.news.generation);
    }

    /// There were more changes than the socket's buffer holds: nobody knows of which table.
    fn lost(&mut self) {
        self.news.concerns = true;
        self.are_lost = true;
    }

    /// The last change that is complete, by these and what was known before. The kernel says first that
    /// some were lost (kernel: netlink_overrun), then gives those that were not: what they say is of before,
    /// and no later one may come.
    fn completed(&self, before: Option<u32>) -> Option<u32> {
        if self.are_lost {
            None
        } else {
            self.news.generation.or(before)
        }
    }
}

/// Reads a datagram of notifications.
fn news(mut datagram: &[u8]) -> News {
    let mut news = News::default();
    while !datagram.is_empty() {
        let Ok(message) = NetlinkBuffer::new_checked(datagram) else {
            news.concerns = true;
            return news;
        };
        // The first attribute is the table's name, and in the last kind the generation.
        let attributes = message.payload().get(4..).unwrap_or_default();
        match (message.message_type(), NlasIterator::new(attributes).next()) {
            (NEW_GENERATION, Some(Ok(id))) => {
                let id = id.value().first_chunk().copied();
                news.generation = id.map(u32::from_be_bytes);
            }
            (NEW_GENERATION, _) => {}
            (_, Some(Ok(table))) => news.concerns |= TABLES.contains(&table.value()),
            _ => news.concerns = true,
        }
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 16];
        message.extend(body);
        let bytes = u32::try_from(message.len()).expect("short");
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(bytes);
        header.set_message_type(kind);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn a_generation_of_before_a_loss_is_none_to_wait_for() {
        let of = |generation| News {
            concerns: false,
            generation,
        };
        let mut heard = Heard::default();
        heard.add(of(Some(7)));
        heard.add(of(None));
        assert_eq!(heard.completed(Some(6)), Some(7));
        assert!(!heard.news.concerns);
        let mut heard = Heard::default();
        assert_eq!(heard.completed(Some(6)), Some(6));
        heard.lost();
        heard.add(of(Some(7)));
        assert_eq!(heard.completed(Some(6)), None);
        assert!(heard.news.concerns);
    }

    #[test]
    fn only_tables_of_kube_proxy_concern() {
        let chain = |body: &[u8]| message(10 << 8 | 3, body);
        let nat = chain(b"\x02\0\0\0\x08\0\x01\0nat\0");
        let other = chain(b"\x02\0\0\0\x0a\0\x01\0calico\0\0\0");
        let generation = message(NEW_GENERATION, b"\0\0\0\0\x08\0\x01\0\0\0\x01\x09");
        let check = |datagram: &[u8], concerns, generation| {
            let expected = News {
                concerns,
                generation,
            };
            assert_eq!(news(datagram), expected, "{datagram:?}");
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
