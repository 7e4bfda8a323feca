//! Values of [`attribute::INCOMPLETE`](crate::attribute::INCOMPLETE): the part that hopspan did not
//! see. Where two parts are missing, the value is both, joined by `, `.

/// exchange: fields of the request's head.
pub const REQUEST_HEAD: &str = "request head";
/// exchange: the response.
pub const RESPONSE: &str = "response";
/// exchange: the status in the response's head.
pub const RESPONSE_HEAD: &str = "response head";
/// exchange: the end of the response's body, of a response that takes longer than the agent waits,
/// or behind lost frames.
pub const RESPONSE_END: &str = "end of the response";
/// exchange: both.
pub const REQUEST_HEAD_AND_RESPONSE: &str = "request head, response";
/// exchange: both.
pub const REQUEST_HEAD_AND_RESPONSE_END: &str = "request head, end of the response";
/// exchange: both.
pub const REQUEST_HEAD_AND_RESPONSE_HEAD: &str = "request head, response head";
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
