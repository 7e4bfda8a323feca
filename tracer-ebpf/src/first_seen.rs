//! A packet where this node first sees it: at the socket that sends it, or where it arrives from
//! another node.
//!
//! # Functions that the verifier checks once
//!
//! The verifier walks through a function anew for each set of values with which a path of the
//! program comes to it. Where a packet is recognised there are dozens of such paths, and with
//! everything in one walk the program of the uplinks needed 855,000 of the million steps that the
//! verifier allows, and seconds. A function with an exported symbol is a global one instead (kernel:
//! btf_prepare_func_args; pointers to memory from 5.12): it is checked once and by itself, with any
//! values, and a call of it costs no more than one step. It takes numbers, the context and pointers
//! to memory of a known size, any of which may be null, and returns a number. The functions that do
//! most work after a packet is parsed are such ones; each has a safe function before it.

use core::ops::{Deref, DerefMut};

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::SkBuffContext};
use tracer_common::http1::start::Start;

use crate::packet::Packet;

/// A packet, and what the hook that may open a journey has of it.
pub(crate) struct FirstSeen<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) sighting: &'a mut Sighting,
}

/// What a hook has of a packet, besides the packet itself. Numbers without gaps between them: it is
/// handed to functions that the verifier checks on their own, and before 6.3 it lets a program pass
/// initialised bytes only.
#[repr(C)]
pub(crate) struct Sighting {
    pub(crate) packet: Packet,
    /// When it left the socket, or arrived.
    pub(crate) start_ns: u64,
    /// Cookie of the sending socket, or the synthetic one of a socket on another node.
    pub(crate) sender_cookie: u64,
    /// The first bytes from `head_offset` on.
    pub(crate) start: Start,
    /// Where the head of HTTP/1 begins in the payload: behind the body of the message before.
    pub(crate) head_offset: u32,
    padding: u32,
}

const _: () = assert!(
    size_of::<Sighting>() == size_of::<Packet>() + 2 * size_of::<u64>() + size_of::<Start>() + 8
);

/// Calls `function` with what a global function was called with; `otherwise` for null.
///
/// # Safety
///
/// `skb` is the context of the program, and `sighting` null or what [`FirstSeen::as_raw`] returned.
#[inline(always)]
pub(crate) unsafe fn from_raw<T>(
    skb: *mut __sk_buff,
    sighting: *mut Sighting,
    otherwise: T,
    function: impl FnOnce(&mut FirstSeen<'_>) -> T,
) -> T {
    // SAFETY: by contract nothing else accesses what the pointer borrows.
    match unsafe { sighting.as_mut() } {
        Some(sighting) => function(&mut FirstSeen {
            ctx: &SkBuffContext::new(skb),
            sighting,
        }),
        None => otherwise,
    }
}

impl Sighting {
    pub(crate) const EMPTY: Self = Self {
        packet: Packet::ZERO,
        start_ns: 0,
        sender_cookie: 0,
        start: Start::EMPTY,
        head_offset: 0,
        padding: 0,
    };
}

impl Deref for FirstSeen<'_> {
    type Target = Sighting;

    #[inline(always)]
    fn deref(&self) -> &Sighting {
        self.sighting
    }
}

impl DerefMut for FirstSeen<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Sighting {
        self.sighting
    }
}

impl FirstSeen<'_> {
    /// For a global function.
    #[inline(always)]
    pub(crate) fn as_raw(&mut self) -> (*mut __sk_buff, *mut Sighting) {
        (self.ctx.skb.skb, self.sighting)
    }

    /// The address of the sk_buff, by which its journey is found.
    #[inline(always)]
    pub(crate) fn skb(&self) -> u64 {
        self.ctx.as_ptr() as u64
    }

    /// Where the head begins, from the network header.
    #[inline(always)]
    pub(crate) fn head_begin(&self) -> u32 {
        self.packet.payload_offset + self.head_offset
    }

    /// The bytes of the payload from the head on.
    #[inline(always)]
    pub(crate) fn head_bytes(&self) -> u32 {
        self.packet.payload_bytes.saturating_sub(self.head_offset)
    }

    /// Sequence number of the head's first byte.
    #[inline(always)]
    pub(crate) fn head_seq(&self) -> u32 {
        self.packet.seq.wrapping_add(self.head_offset)
    }
}
