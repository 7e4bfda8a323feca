//! Reports when the receive window of a socket that has received a message closes, and when it
//! opens.
//!
//! Only these two changes are sent, not each packet that repeats them. While no window is closed,
//! which is nearly always, a packet costs one look-up in an array. The entry of a socket that
//! closes stays until it is the least recently used: the kernel never gives a cookie twice.

use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, LruHashMap},
};
use tracer_common::{
    RecordKind,
    counter::Counter,
    tuple::Tuple,
    window::{Window, WindowKind},
};

use crate::{
    packet::Packet,
    ring,
    shared::{MapValue as _, Shared},
    socket::{HAS_HEAD, Socket},
};

/// Sockets whose window is closed at one time. The least recently used is removed when there are
/// more: the opening of its window is not reported.
const MAX_CLOSED: u32 = 1024;
/// The longest time between two packets that repeat a closed window: twice the time between two
/// probes of the peer (kernel: TCP_RTO_MAX).
const REPEATED_NS: u64 = 240_000_000_000;
const BPF_NOEXIST: u64 = 1;

/// When the window of a socket closed, by the socket's cookie. Stored with its element. If the map
/// is full, the element may be given to another socket while it is read: the record then has the
/// time of that one.
#[map]
static CLOSED_WINDOWS: LruHashMap<u64, Shared<u64>> = LruHashMap::with_max_entries(MAX_CLOSED, 0);

/// When any socket last sent a closed window; 0 if that is long ago. The programs on all CPUs write
/// it: of two times either is right, and a time that a 0 overwrites costs one record of a window
/// that opens.
#[map]
static LAST_CLOSED: Array<Shared<u64>> = Array::with_max_entries(1, 0);

/// Tracks the receive window in a packet that a socket sends.
#[inline(always)]
pub(crate) fn track(packet: &Packet, cookie: u64, socket: Option<&Socket>) {
    if !packet.has_window() {
        return;
    }
    if packet.window == 0 {
        if socket.is_some_and(|socket| socket.is(HAS_HEAD)) {
            closed(&packet.tuple, cookie);
        }
    } else if last_closed_ns() != 0 {
        opened(&packet.tuple, cookie);
    }
}

#[inline(never)]
fn closed(tuple: &Tuple, cookie: u64) {
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    set_last_closed_ns(now_ns);
    let closed_ns = Shared::new(now_ns);
    if CLOSED_WINDOWS
        .insert(cookie, closed_ns, BPF_NOEXIST)
        .is_ok()
    {
        send(WindowKind::Closed as u32, tuple, cookie, now_ns, now_ns);
    }
}

#[inline(never)]
fn opened(tuple: &Tuple, cookie: u64) {
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    match CLOSED_WINDOWS.value(cookie).map(Shared::get) {
        Some(closed_ns) => {
            let _ = CLOSED_WINDOWS.remove(cookie);
            send(WindowKind::Opened as u32, tuple, cookie, now_ns, closed_ns);
        }
        None if now_ns.saturating_sub(last_closed_ns()) > REPEATED_NS => set_last_closed_ns(0),
        None => {}
    }
}

#[inline(always)]
fn last_closed_ns() -> u64 {
    LAST_CLOSED.value(0).map_or(0, Shared::get)
}

#[inline(always)]
fn set_last_closed_ns(ns: u64) {
    if let Some(last_ns) = LAST_CLOSED.value(0) {
        last_ns.set(ns);
    }
}

#[inline(always)]
fn send(what: u32, tuple: &Tuple, cookie: u64, at_ns: u64, closed_ns: u64) {
    let record = Window {
        kind: RecordKind::Window as u32,
        what,
        at_ns,
        closed_ns,
        cookie,
    };
    ring::send_shared::<Window>(&record, tuple, Counter::WindowLost);
}
