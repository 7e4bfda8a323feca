//! `struct sk_buff`.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_probe_read_kernel;

use super::{conntrack::NfConn, device::NetDevice, field, offsets};

offsets!(
    SK_BUFF_DEV,
    SK_BUFF_NFCT,
    SK_BUFF_HEAD,
    SK_BUFF_NETWORK_HEADER
);

/// The low bits of `_nfct` are `enum ip_conntrack_info` (kernel: NFCT_INFOMASK, 5.x to 6.18).
const NFCT_PTRMASK: u64 = !7;

/// Offsets in the headers of IPv4 and IPv6, and the length of the latter (RFC 791 section 3.1, RFC
/// 8200 section 3).
const IPV4_PROTOCOL: u64 = 9;
const IPV6_NEXT_HEADER: u64 = 6;
const IPV6_HEADER_BYTES: u64 = 40;
/// kernel: include/uapi/linux/in.h. All but TCP can carry a tunnel.
const IPPROTO_IPIP: u8 = 4;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_IPV6: u8 = 41;
const IPPROTO_GRE: u8 = 47;
const IPPROTO_ESP: u8 = 50;
/// Offset of the sequence number in a TCP header (RFC 9293 section 3.1).
const TCP_SEQ: u64 = 4;

/// A pointer that the kernel passed as `struct sk_buff *`.
#[derive(Clone, Copy)]
pub(crate) struct Skb(*const c_void);

impl Skb {
    pub(crate) const fn new(skb: *const c_void) -> Self {
        Self(skb)
    }

    /// The address, by which the packet's journey is found.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    pub(crate) fn device(self) -> NetDevice {
        // SAFETY: `dev` is a `struct net_device *`.
        NetDevice::new(unsafe { field(self.0, &SK_BUFF_DEV) })
    }

    /// The connection that conntrack has found for this packet.
    #[inline(always)]
    pub(crate) fn conntrack(self) -> Option<NfConn> {
        // SAFETY: `_nfct` is an unsigned long.
        let nfct: u64 = unsafe { field(self.0, &SK_BUFF_NFCT) };
        let address = nfct & NFCT_PTRMASK;
        (address != 0).then(|| NfConn::at(address))
    }

    /// Whether the packet may be the one whose TCP header has this sequence number. Always true for
    /// a packet in a tunnel, whose inner header is not read. For rare use: it takes several reads.
    #[inline(always)]
    pub(crate) fn may_have_seq(self, seq: u32) -> bool {
        // SAFETY: `head` is an `unsigned char *`.
        let head: u64 = unsafe { field(self.0, &SK_BUFF_HEAD) };
        // SAFETY: `network_header` is a __u16, an offset from `head`.
        let offset: u16 = unsafe { field(self.0, &SK_BUFF_NETWORK_HEADER) };
        let ip = head + u64::from(offset);
        let version: u8 = at(ip).unwrap_or(0);
        let (protocol, tcp) = match version >> 4 {
            4 => (
                at(ip + IPV4_PROTOCOL).unwrap_or(0),
                ip + u64::from(version & 0x0f) * 4,
            ),
            6 => (
                at(ip + IPV6_NEXT_HEADER).unwrap_or(0),
                ip + IPV6_HEADER_BYTES,
            ),
            // Not IP: netlink's messages are sk_buffs as well.
            _ => return false,
        };
        match protocol {
            IPPROTO_TCP => {
                at::<u32>(tcp + TCP_SEQ).is_none_or(|seq_be| u32::from_be(seq_be) == seq)
            }
            IPPROTO_IPIP | IPPROTO_UDP | IPPROTO_IPV6 | IPPROTO_GRE | IPPROTO_ESP => true,
            _ => false,
        }
    }
}

/// The value at an address within the packet.
#[inline(always)]
fn at<T>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}
