//! What a hostile program may send on a connection: messages of HTTP/1 and HTTP/2 that are right,
//! cut, or lie about their lengths, and bytes of no protocol.

use super::random::Random;

/// kernel: a packet of BPF_PROG_TEST_RUN fits into a page, with what the kernel needs itself.
const MAX_BYTES: usize = 3000;

const METHODS: &[&str] = &[
    "GET",
    "POST",
    "HEAD",
    "CONNECT",
    "PATCH",
    "FROBNICATE",
    "get",
    "",
];
const LENGTHS: &[&str] = &[
    "0",
    "5",
    "-1",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999",
    "0x10",
    " 7 ",
    "",
];
const CHUNK_SIZES: &[&str] = &[
    "0",
    "1",
    "ff",
    "ffffffff",
    "100000000",
    "ffffffffffffffff",
    "fffffffffffffffffff",
    "g",
    "",
    "1;name=value",
];
/// RFC 9113 section 4.1: the length of a frame has 24 bits.
const FRAME_LENGTHS: &[u32] = &[0, 1, 8, 9, 16_384, 16_385, 0x00ff_ffff];

/// The payload of a segment.
pub(super) fn payload(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.within(0..8) {
        0 => Vec::new(),
        1 => {
            let count = random.within(0..600);
            random.bytes(count)
        }
        2 => response(random).into_bytes(),
        3 => http2(random),
        4 => chunks(random).into_bytes(),
        5 => (request(random) + &request(random)).into_bytes(),
        _ => request(random).into_bytes(),
    };
    if random.one_in(4) {
        let end = random.within(0..bytes.len() + 1);
        bytes.truncate(end);
    }
    if random.one_in(8) && !bytes.is_empty() {
        let at = random.within(0..bytes.len());
        bytes[at] = random.byte();
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

/// A request, with a sampled trace context in most cases, so that it is followed.
fn request(random: &mut Random) -> String {
    let method = random.choice(METHODS);
    let path = "/p".repeat(random.within(1..40));
    let version = random.choice(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""]);
    let mut head = format!("{method} {path} {version}\r\nHost: server\r\n");
    if !random.one_in(4) {
        let (trace, span) = (random.number(), random.number());
        head += &format!("traceparent: 00-{trace:032x}-{span:016x}-01\r\n");
    }
    if random.one_in(3) {
        head += &format!("Content-Length: {}\r\n", random.choice(LENGTHS));
    }
    if random.one_in(6) {
        head += "Transfer-Encoding: chunked\r\n";
    }
    if random.one_in(6) {
        head += &format!("X-Long: {}\r\n", "a".repeat(random.within(0..2500)));
    }
    if random.one_in(10) {
        head +=
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n";
    }
    head + random.choice(&["\r\n", "\r\n", "\r\n", "\n", "\r", ""])
}

fn response(random: &mut Random) -> String {
    let status = random.choice(&["200", "100", "101", "103", "204", "999", "-1", ""]);
    let length = random.choice(LENGTHS);
    format!("HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\n\r\nbody")
}

fn chunks(random: &mut Random) -> String {
    let mut text = request(random);
    text += "\r\n";
    for _ in 0..random.within(1..30) {
        let size = random.choice(CHUNK_SIZES);
        text += &format!("{size}\r\n{}\r\n", "x".repeat(random.within(0..20)));
    }
    text
}

fn http2(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    if random.one_in(2) {
        bytes.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }
    for _ in 0..random.within(1..60) {
        let length = match random.one_in(3) {
            true => random.choice(FRAME_LENGTHS),
            false => random.within(0..40) as u32,
        };
        bytes.extend_from_slice(&length.to_be_bytes()[1..]);
        bytes.push(random.choice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0xff]));
        bytes.push(random.byte());
        bytes.extend_from_slice(&(random.within(0..9) as u32).to_be_bytes());
        let count = match random.one_in(3) {
            true => random.within(0..40),
            false => length.min(200) as usize,
        };
        bytes.extend(random.bytes(count));
    }
    bytes
}
