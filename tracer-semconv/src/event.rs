//! Names of span events.

/// connect, request, response: a packet was sent again, at that time. Attributes: [`TCP_PACKET`](crate::attribute::TCP_PACKET), and of the packet before
/// it, if the kernel dropped that one, [`DROP_REASON`](crate::attribute::DROP_REASON),
/// [`DROP_HOP`](crate::attribute::DROP_HOP) and [`DROP_BY`](crate::attribute::DROP_BY).
pub const TCP_RETRANSMITTED: &str = "tcp.retransmitted";
/// response: the client has read the first byte of the response, or it has arrived, at that time.
/// Only where the response ended later.
pub const RESPONSE_FIRST_BYTE: &str = "hopspan.response.first_byte";
/// request, response: a receive window became zero, at that time. Attributes:
/// [`TCP_WINDOW_OF`](crate::attribute::TCP_WINDOW_OF), and
/// [`TCP_ZERO_WINDOW_NS`](crate::attribute::TCP_ZERO_WINDOW_NS) if the window opened again.
pub const TCP_ZERO_WINDOW: &str = "tcp.zero_window";
