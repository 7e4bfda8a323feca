//! The programs that run in the kernel.
//!
//! In: packets and sockets, at the hooks in `hooks/`. Out: the records of `tracer-common` on one
//! ring buffer. The programs change nothing: every cgroup program passes the packet, every
//! netfilter program accepts it. Only `kernel/` reads kernel structures, only through `shared` is
//! map memory accessed, and no two modules import each other.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod boundary;
mod bpf_loop;
mod counter;
mod deferred_accept;
mod device;
mod edge;
mod failed_connect;
mod fast_open;
mod first_seen;
mod head;
mod head_scan;
mod hooks;
mod http1;
mod http2;
mod journey;
mod kernel;
mod keys;
mod message;
mod output_stamps;
mod packet;
mod packet_bytes;
mod pair_share;
mod partial_head;
mod read_tracking;
mod request;
mod response_body;
mod ring;
mod shared;
mod socket;
mod uplink;
mod vxlan;
mod watch;
mod window;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier proves that no path leads here.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
