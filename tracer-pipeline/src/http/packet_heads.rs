//! Finds the message heads in one packet: the first at its start, the others behind it.
//!
//! In: the captured payload. Out: heads, each with its offset and end. A head followed by a body of
//! unknown length is the last one found.

use tracer_common::{
    http1::boundary::{Body, Boundary},
    message::Message,
};

use super::head::{BodyFraming, HeadError, Method, RequestHead, ResponseHead, response_body};

/// Most heads parsed per packet: 16 KiB hold some 900 of the shortest.
const MAX_HEADS: usize = 256;

/// A request's head or a response's.
pub(crate) enum ParsedHead {
    Request(RequestHead),
    Response(ResponseHead),
}

/// A head, and where it is. Offsets are bytes from the start of the packet's payload.
pub(crate) struct LocatedHead {
    pub(crate) offset: u32,
    /// Where the head ends, if it is complete.
    pub(crate) head_end: Option<u32>,
    /// Where the message ends, if it has the body that it announces and that is known. The response
    /// to a HEAD has none.
    pub(crate) body_end: Option<u32>,
    /// Of a body with chunks that does not end in the packet: a place before its end.
    pub(crate) chunks_until: Option<u32>,
    pub(crate) head: ParsedHead,
}

impl LocatedHead {
    /// Whether a body with chunks follows, unless the request of a response excludes a body.
    pub(crate) fn is_chunked(&self) -> bool {
        let body = match &self.head {
            ParsedHead::Request(head) => head.body,
            ParsedHead::Response(head) => response_body(&Method::Get, head),
        };
        body == BodyFraming::Chunked
    }

    /// Where the message ends, if that is known. `method`: of the request, for a response.
    pub(crate) fn end(&self, method: &Method) -> Option<u32> {
        match &self.head {
            ParsedHead::Response(head) if response_body(method, head) == BodyFraming::None => {
                self.head_end
            }
            ParsedHead::Request(_) | ParsedHead::Response(_) => self.body_end,
        }
    }
}

/// The heads of a packet, of which `payload` was copied from `offset` on and begins with a head. A
/// response may be followed by its body or by another response, because the request is not known
/// here: both are among the heads, and the caller knows where a response begins.
///
/// # Errors
///
/// When `payload` does not begin with a head. Bytes behind the first head that are not a head are
/// skipped.
pub(crate) fn heads(
    message: Message,
    offset: u32,
    payload: &[u8],
) -> Result<Vec<LocatedHead>, HeadError> {
    let mut heads = vec![head_at(message, offset, payload, 0)?];
    let mut next = 0;
    while let Some(head) = heads.get(next) {
        next += 1;
        let ends = match head.head {
            ParsedHead::Request(_) => [head.body_end, None],
            ParsedHead::Response(_) => [head.head_end, head.body_end],
        };
        for end in ends.into_iter().flatten() {
            let begin = end.wrapping_sub(offset) as usize;
            let is_known = heads.iter().any(|head| head.offset == end);
            if begin < payload.len()
                && !is_known
                && heads.len() < MAX_HEADS
                && let Ok(head) = head_at(message, offset, payload, begin)
            {
                heads.push(head);
            }
        }
    }
    heads.sort_by_key(|head| head.offset);
    Ok(heads)
}

/// The last head, if it is a request's and continues in the next packet.
pub(crate) fn cut_request(heads: &[LocatedHead]) -> Option<&LocatedHead> {
    let is_cut = |located: &&LocatedHead| matches!(&located.head, ParsedHead::Request(head) if !head.complete());
    heads.last().filter(is_cut)
}

/// The head that begins at `begin` of the copied bytes; the arguments are those of [`heads`].
///
/// # Errors
///
/// When no head begins there.
pub(crate) fn head_at(
    message: Message,
    offset: u32,
    payload: &[u8],
    begin: usize,
) -> Result<LocatedHead, HeadError> {
    let rest = payload.get(begin..).unwrap_or_default();
    let (head, head_len, body) = match message {
        Message::Request => {
            let head = RequestHead::parse(rest)?;
            let (head_len, body) = (head.head_len, head.body);
            (ParsedHead::Request(head), head_len, body)
        }
        _ => {
            let head = ResponseHead::parse(rest)?;
            let (head_len, body) = (head.head_len, response_body(&Method::Get, &head));
            (ParsedHead::Response(head), head_len, body)
        }
    };
    let at = |bytes: usize| offset.checked_add(u32::try_from(begin.checked_add(bytes)?).ok()?);
    Ok(LocatedHead {
        offset: at(0).unwrap_or(u32::MAX),
        head_end: head_len.and_then(at),
        body_end: head_len.and_then(|head_len| {
            let behind = rest.get(head_len..).unwrap_or_default();
            at(head_len.checked_add(body_len(body, behind)?)?)
        }),
        chunks_until: head_len.and_then(|head_len| {
            let behind = rest.get(head_len..).unwrap_or_default();
            let is_chunked = body == BodyFraming::Chunked;
            at(head_len.checked_add(chunked_min(behind).filter(|_| is_chunked)?)?)
        }),
        head,
    })
}

/// The length of a body, of which `copied` are the first bytes. `None` where it is not known, or
/// where it does not fit into TCP's window of sequence numbers.
fn body_len(body: BodyFraming, copied: &[u8]) -> Option<usize> {
    match body {
        BodyFraming::None => Some(0),
        BodyFraming::Length(bytes) => usize::try_from(i32::try_from(bytes).ok()?).ok(),
        BodyFraming::Chunked => chunked_len(copied),
        BodyFraming::UntilClose | BodyFraming::Unknown => None,
    }
}

/// The length of a chunked body that ends within `copied`.
fn chunked_len(copied: &[u8]) -> Option<usize> {
    let (at, boundary) = chunk_steps(copied).last()?;
    boundary.is_at_head().then_some(at)
}

/// A length that a chunked body exceeds which does not end within `copied`, or has no bytes there.
fn chunked_min(copied: &[u8]) -> Option<usize> {
    let Some((at, boundary)) = chunk_steps(copied).last() else {
        return Some(0);
    };
    let left = usize::try_from(i32::try_from(boundary.left).ok()?).ok()?;
    (!boundary.is_at_head()).then_some(at.checked_add(left)?)
}

/// The steps over a chunked body: each position, and what comes there. The last one is the end of
/// the body, the end of `copied`, or behind a byte that no chunk can have there.
fn chunk_steps(copied: &[u8]) -> impl Iterator<Item = (usize, Boundary)> {
    let begin = Boundary::after_head(Body::Chunked);
    std::iter::successors(Some((0, begin)), |(at, boundary)| {
        if boundary.is_at_head() {
            return None;
        }
        let rest = copied.get(*at..)?;
        let here = u32::try_from(rest.len()).ok()?;
        let (passed, next) = boundary.step(here, || rest.first().copied())?;
        Some((at + passed as usize, next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the offsets of the heads in `payload`.
    fn check(message: Message, payload: &str, expected: &[u32]) {
        let offsets: Vec<u32> = heads(message, 0, payload.as_bytes())
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
            &[0, get_bytes, get_bytes + chunked.len() as u32],
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
    fn heads_that_announce_chunks_without_chunks() {
        let head = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n";
        let packet = head.repeat(MAX_HEADS);
        let located = heads(Message::Response, 0, packet.as_bytes()).unwrap_or_default();
        assert_eq!(located.len(), MAX_HEADS);
        assert!(located.iter().all(|head| head.body_end.is_none()));
        let ends = located.iter().filter_map(|head| head.head_end);
        let steps = ends.map(|end| chunk_steps(&packet.as_bytes()[end as usize..]).count());
        assert!(steps.sum::<usize>() <= 2 * MAX_HEADS);
    }

    #[test]
    fn every_prefix_yields_at_most_the_whole_heads() {
        let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
        for end in 0..get.len() {
            let found =
                heads(Message::Request, 0, &get.as_bytes()[..end]).map_or(0, |heads| heads.len());
            assert!(found <= 2, "{found} heads in {end} bytes");
        }
    }
}
