//! Values of OpenTelemetry's `error.type` on connect, request and response, and the status description
//! of lost packets.
//!
//! An HTTP/2 stream that was reset has the name of its error code instead (RFC 9113, section 7), a
//! gRPC call the name of its status (google.rpc.Code), a connect any other errno's name.

/// request, response: the connection was closed before the response.
pub const CONNECTION_CLOSED: &str = "connection_closed";
/// connect, request, response: the connection was reset (ECONNRESET, EPIPE).
pub const CONNECTION_RESET: &str = "connection_reset";
/// connect: the connection was refused (ECONNREFUSED).
pub const CONNECTION_REFUSED: &str = "connection_refused";
/// connect, request, response: no answer came (ETIMEDOUT, or the client gave up).
pub const TIMEOUT: &str = "timeout";
/// connect, request, response: EHOSTUNREACH.
pub const HOST_UNREACHABLE: &str = "host_unreachable";
/// connect: ENETUNREACH.
pub const NETWORK_UNREACHABLE: &str = "network_unreachable";
/// connect: there was no local port for the connection.
pub const ADDRESS_NOT_AVAILABLE: &str = "address_not_available";

/// The status description of a path of which the kernel dropped a packet, so that the message did
/// not arrive.
pub const PACKET_DROPPED: &str = "packet dropped";
