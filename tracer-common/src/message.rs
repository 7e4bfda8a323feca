//! The messages that hopspan follows.

use crate::from_number::from_number;

/// The message that a packet carries. A packet without one costs one failed look-up per hook.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The first packet of a connection.
    Syn = 1,
    /// The answer to a SYN.
    SynAck = 2,
    /// The segment on which the head of a request starts.
    Request = 3,
    /// The segment on which the head of a response starts.
    Response = 4,
    /// The segment on which HEADERS of HTTP/2 start: heads of requests or responses, or trailers,
    /// of one stream or several.
    Headers = 5,
    /// The segment with the last byte of a response of HTTP/1 that began in an earlier one.
    ResponseEnd = 6,
}

/// Added to the number of a message that the SYN of its connection carries (TCP Fast Open, RFC 7413).
pub const IN_SYN: u8 = 128;

from_number!(Message: u8, Syn, SynAck, Request, Response, Headers, ResponseEnd);
