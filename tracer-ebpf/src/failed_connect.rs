//! Connections that are being opened, and those of them that fail.
//!
//! In: state changes of a client's socket. Out: a record for each connection that was never
//! established. connect(2) runs in the process that opens the connection, the failure often in an
//! interrupt: the process is remembered from the one to the other.

use aya_ebpf::{
    Global,
    helpers::{
        bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_pid_tgid,
        bpf_ktime_get_ns,
    },
    macros::map,
    maps::LruHashMap,
};
use tracer_common::{
    RecordKind, counter::Counter, failed_connect::FailedConnect, hook::Hook, tuple::Tuple,
};

use crate::{
    counter::hit,
    kernel::sock::Sock,
    ring,
    shared::{Cells, MapValue as _, Shared},
};

/// Connections that are being opened at one time. The least recently used is removed when there are
/// more: its end is then reported like that of any socket.
const MAX_CONNECTING: u32 = 16_384;
/// Levels below the root of all cgroups at which the followed cgroup is searched for. Kubernetes
/// has five above a container; inside a container there can be more.
const MAX_LEVELS: i32 = 16;

/// The cgroup v2 id of the directory whose sockets are followed. The agent writes it before it
/// loads the programs.
#[unsafe(no_mangle)]
static FOLLOWED_CGROUP: Global<u64> = Global::new(0);

#[repr(C)]
struct Connecting {
    began_ns: Shared<u64>,
    cgroup: Shared<u64>,
    tgid: Shared<u32>,
    padding: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Connecting {}

/// By the socket's cookie. A value is written once, with its element. The state changes of one
/// socket follow each other, under the socket's lock. If the map is full, the element may be given
/// to another socket while its cells are read: the failed connect is then reported with the process
/// of that one.
#[map]
static CONNECTING: LruHashMap<u64, Connecting> = LruHashMap::with_max_entries(MAX_CONNECTING, 0);

/// Remembers the process of a connect (kernel: tcp_v4_connect, tcp_v6_connect; the port may not be
/// chosen yet).
#[inline(always)]
pub(crate) fn started(sock: Sock) {
    if !sock.is_tcp() || !is_followed() {
        return;
    }
    let connecting = Connecting {
        // SAFETY: the helper has no preconditions.
        began_ns: Shared::new(unsafe { bpf_ktime_get_ns() }),
        // SAFETY: as above.
        cgroup: Shared::new(unsafe { bpf_get_current_cgroup_id() }),
        tgid: Shared::new((bpf_get_current_pid_tgid() >> 32) as u32),
        padding: Shared::new(0),
    };
    // If this fails, a failure of the connect is not reported.
    let _ = CONNECTING.insert(sock.make_cookie(), connecting, 0);
}

/// Forgets a connect that has succeeded.
#[inline(always)]
pub(crate) fn established(sock: Sock) {
    let _ = CONNECTING.remove(sock.cookie());
}

/// Reports a connect that has failed; false if its process is not known.
#[inline(always)]
pub(crate) fn report(sock: Sock) -> bool {
    let cookie = sock.cookie();
    let Some(connecting) = CONNECTING.value(cookie) else {
        return false;
    };
    let began_ns = connecting.began_ns.get();
    let cgroup = connecting.cgroup.get();
    let tgid = connecting.tgid.get();
    hit(Hook::SocketClose);
    let mut record = FailedConnect {
        kind: RecordKind::FailedConnect as u32,
        error: sock.connect_error(),
        began_ns,
        // SAFETY: the helper has no preconditions.
        at_ns: unsafe { bpf_ktime_get_ns() },
        cookie,
        cgroup,
        tgid,
        tuple: Tuple::ZERO,
    };
    sock.copy_tuple(&mut record.tuple);
    ring::send_shared::<FailedConnect>(&record, &record.tuple, Counter::FailedConnectLost);
    let _ = CONNECTING.remove(cookie);
    true
}

/// Whether the running process is in or below the followed cgroup.
#[inline(always)]
fn is_followed() -> bool {
    let followed = FOLLOWED_CGROUP.load();
    let mut level = 0;
    while level < MAX_LEVELS {
        // SAFETY: the helper has no preconditions; 5.6 and later in programs of this kind.
        let ancestor = unsafe { bpf_get_current_ancestor_cgroup_id(level) };
        if ancestor == followed {
            return true;
        }
        if ancestor == 0 {
            return false;
        }
        level += 1;
    }
    false
}
