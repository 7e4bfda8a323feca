//! Finds the message heads in one packet: the first at its start, the others behind it.
//!
//! In: the captured payload. Out: heads, each with its offset. A head followed by a body of unknown
//! length is the last one found.

use tracer_common::message::Message;

use super::head::{BodyFraming, HeadError, Method, RequestHead, ResponseHead, response_body};

/// Most heads parsed per packet: 16 KiB hold some 900 of the shortest.
const MAX_HEADS: usize = 256;

/// A request's head or a response's.
pub(super) enum ParsedHead {
    Request(RequestHead),
    Response(ResponseHead),
}

/// A head and its offset, in bytes from the start of the payload.
pub(super) struct LocatedHead {
    pub(super) offset: u32,
    pub(super) head: ParsedHead,
}

/// The heads of a packet that starts with a head.
///
/// # Errors
///
/// When the packet does not start with a head. Bytes behind the first head that are not a head are
/// skipped.
pub(super) fn heads(message: Message, payload: &[u8]) -> Result<Vec<LocatedHead>, HeadError> {
    let (first, mut next) = head_at(message, payload, 0)?;
    let mut heads = vec![first];
    while let Some(offset) = next
        && offset < payload.len()
        && heads.len() < MAX_HEADS
        && let Ok((head, after)) = head_at(message, payload, offset)
    {
        heads.push(head);
        next = after;
    }
    Ok(heads)
}

/// Offset of the last head, if it is a request's and continues in the next packet.
pub(super) fn cut_request(heads: &[LocatedHead]) -> Option<u32> {
    let last = heads.last()?;
    let is_cut = matches!(&last.head, ParsedHead::Request(head) if !head.complete());
    is_cut.then_some(last.offset)
}

/// The head at an offset, and the offset of the next message, if known.
fn head_at(
    message: Message,
    payload: &[u8],
    offset: usize,
) -> Result<(LocatedHead, Option<usize>), HeadError> {
    let rest = payload.get(offset..).unwrap_or_default();
    let (head, length) = match message {
        Message::Request => {
            let head = RequestHead::parse(rest)?;
            let length = length(head.head_len, head.body);
            (ParsedHead::Request(head), length)
        }
        _ => {
            let head = ResponseHead::parse(rest)?;
            let length = response_length(&head, rest);
            (ParsedHead::Response(head), length)
        }
    };
    let located = LocatedHead {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        head,
    };
    Ok((
        located,
        length.and_then(|length| offset.checked_add(length)),
    ))
}

/// Length of a whole message in bytes, if known.
fn length(head_bytes: Option<usize>, body: BodyFraming) -> Option<usize> {
    match body {
        BodyFraming::None => head_bytes,
        BodyFraming::Length(bytes) => head_bytes?.checked_add(usize::try_from(bytes).ok()?),
        BodyFraming::Chunked | BodyFraming::UntilClose | BodyFraming::Unknown => None,
    }
}

/// Length of a whole response in bytes, if known. The response to a HEAD has a Content-Length and
/// no body: where the next status line follows the head at once, there is no body.
fn response_length(head: &ResponseHead, rest: &[u8]) -> Option<usize> {
    let head_bytes = head.head_len?;
    let after = rest.get(head_bytes..).unwrap_or_default();
    if after.starts_with(b"HTTP/1.") {
        return Some(head_bytes);
    }
    length(Some(head_bytes), response_body(&Method::Get, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the offsets of the heads in `payload`.
    fn check(message: Message, payload: &str, expected: &[u32]) {
        let offsets: Vec<u32> = heads(message, payload.as_bytes())
            .unwrap_or_default()
            .iter()
            .map(|located| located.offset)
            .collect();
        assert_eq!(offsets, expected, "{payload:?}");
    }

    #[test]
    fn requests_in_one_packet() {
        let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        let chunked = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let (get_bytes, post_bytes) = (get.len() as u32, post.len() as u32);
        check(Message::Request, get, &[0]);
        check(
            Message::Request,
            &get.repeat(3),
            &[0, get_bytes, 2 * get_bytes],
        );
        check(Message::Request, &format!("{post}{get}"), &[0, post_bytes]);
        check(
            Message::Request,
            &format!("{get}{chunked}{get}"),
            &[0, get_bytes],
        );
        check(Message::Request, &format!("{get}no head at all"), &[0]);
        check(
            Message::Request,
            &get.repeat(1_000),
            &(0..256).map(|index| index * get_bytes).collect::<Vec<_>>(),
        );
        check(Message::Request, "no head at all", &[]);
    }

    #[test]
    fn responses_in_one_packet() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let to_head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
        check(
            Message::Response,
            &format!("{interim}{ok}"),
            &[0, interim.len() as u32],
        );
        check(
            Message::Response,
            &format!("{ok}{ok}"),
            &[0, ok.len() as u32],
        );
        check(
            Message::Response,
            &format!("{to_head}{ok}"),
            &[0, to_head.len() as u32],
        );
        check(Message::Response, to_head, &[0]);
    }

    #[test]
    fn every_prefix_yields_at_most_the_whole_heads() {
        let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
        for end in 0..get.len() {
            let found =
                heads(Message::Request, &get.as_bytes()[..end]).map_or(0, |heads| heads.len());
            assert!(found <= 2, "{found} heads in {end} bytes");
        }
    }
}
