//! The kinds of packet that hopspan follows.

/// What a packet carries. Every other packet passes with one failed lookup per hook.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The first packet of a connection.
    Syn = 1,
    /// Its answer.
    SynAck = 2,
    /// The segment on which the head of a request starts.
    Request = 3,
    /// The segment on which the head of a response starts.
    Response = 4,
    /// A segment on which HEADERS of HTTP/2 start: heads of requests, of responses, or trailers, of
    /// one stream or of many.
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
