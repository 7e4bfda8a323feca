//! The messages that hopspan follows.

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
}

impl TryFrom<u8> for Message {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            1 => Ok(Self::Syn),
            2 => Ok(Self::SynAck),
            3 => Ok(Self::Request),
            4 => Ok(Self::Response),
            5 => Ok(Self::Headers),
            unknown => Err(unknown),
        }
    }
}
