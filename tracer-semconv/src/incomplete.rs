//! Values of [`attribute::INCOMPLETE`](crate::attribute::INCOMPLETE): the part that hopspan did not
//! see. Where two parts are missing, the value is both, joined by `, `.

/// request: fields of its head.
pub const REQUEST_HEAD: &str = "request head";
/// request: its response.
pub const RESPONSE: &str = "response";
/// response: the status in its head.
pub const RESPONSE_HEAD: &str = "response head";
/// response: the end of its body, of a response that takes longer than the agent waits,
/// or behind lost frames.
pub const RESPONSE_END: &str = "end of the response";
/// connect that failed: every packet, so that there are no hops.
pub const PATH: &str = "path";
/// connect, request, response: the hops after the last one that is there. The packet's record
/// expired before the packet was received or dropped.
pub const PATH_END: &str = "end of the path";
/// connect, request, response: hops between the last one that is there and the receiving socket,
/// because one record holds a bounded number of them.
pub const LAST_HOPS: &str = "last hops";
/// request, response: the time until the application read the message.
pub const SOCKET_QUEUE: &str = crate::hop::HopName::SocketQueue.as_str();
