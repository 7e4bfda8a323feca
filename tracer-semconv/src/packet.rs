//! Values of [`attribute::TCP_PACKET`](crate::attribute::TCP_PACKET): what a retransmitted packet
//! carried.

/// The client's first packet of the handshake.
pub const SYN: &str = "SYN";
/// The server's packet of the handshake.
pub const SYN_ACK: &str = "SYN-ACK";
/// The head of an HTTP/1 request.
pub const REQUEST: &str = "request";
/// The head of an HTTP/1 response.
pub const RESPONSE: &str = "response";
/// The last byte of an HTTP/1 response that began in another packet.
pub const RESPONSE_END: &str = "end of the response";
/// An HTTP/2 HEADERS frame.
pub const HEADERS: &str = "HEADERS";
