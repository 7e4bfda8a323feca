//! Redacts request targets in place. In: the target as sent. Out: the same with `x` for user,
//! password, query and fragment, and with `0` for segments that a template shows as ids.

use crate::http::{UrlPaths, url_template};

/// What stands for text that is shown nowhere.
pub(super) const REDACTED: u8 = b'x';
/// What stands for an id: a number is one, too.
const ID: u8 = b'0';

/// Redacts a target of HTTP/1 (RFC 9112 section 3.2). `is_cut`: it continues in another record.
pub(super) fn redact(target: &mut [u8], method: &[u8], is_cut: bool, url_paths: UrlPaths) {
    let colon = target.windows(3).position(|bytes| bytes == b"://");
    match (target.first(), colon) {
        (Some(b'/'), _) => path(target, is_cut, url_paths),
        (Some(b'*'), _) if target.len() == 1 => {}
        _ if method == b"CONNECT" && !is_cut => user_information(target),
        (_, Some(colon)) => {
            let behind = &mut target[colon + 3..];
            let end = behind.iter().position(|byte| b"/?#".contains(byte));
            match end {
                None if is_cut => behind.fill(REDACTED),
                None => user_information(behind),
                Some(end) => {
                    let (authority, rest) = behind.split_at_mut(end);
                    user_information(authority);
                    path(rest, is_cut, url_paths);
                }
            }
        }
        _ => target.fill(REDACTED),
    }
}

/// Redacts user and password of an authority.
pub(super) fn user_information(authority: &mut [u8]) {
    if let Some(at) = authority.iter().rposition(|byte| *byte == b'@') {
        authority[..at].fill(REDACTED);
    }
}

/// Redacts a path with its query and fragment.
pub(super) fn path(path: &mut [u8], is_cut: bool, url_paths: UrlPaths) {
    let end = path.iter().position(|byte| b"?#".contains(byte));
    let is_cut = is_cut && end.is_none();
    let (path, query) = path.split_at_mut(end.unwrap_or(path.len()));
    if let Some((_, query)) = query.split_first_mut() {
        query.fill(REDACTED);
    }
    match url_paths {
        UrlPaths::Full => {}
        UrlPaths::Template => segments(path, is_cut),
        UrlPaths::Off => {
            if let Some((_, rest)) = path.split_first_mut() {
                rest.fill(REDACTED);
            }
        }
    }
}

fn segments(path: &mut [u8], is_cut: bool) {
    let encoded = url_template::encoded_query(path);
    let has_query = encoded.is_some();
    let (path, query) = path.split_at_mut(encoded.unwrap_or(path.len()));
    if let Some(query) = query.get_mut(url_template::ENCODED_BYTES..) {
        query.fill(REDACTED);
    }
    let mut begin = 0;
    for index in 0.. {
        let rest = &mut path[begin..];
        let bytes = rest.iter().position(|byte| *byte == b'/');
        if index > url_template::SEGMENTS_MAX {
            rest.fill(REDACTED);
            return;
        }
        let (segment, rest) = rest.split_at_mut(bytes.unwrap_or(rest.len()));
        let is_last = rest.is_empty();
        self::segment(segment, is_last && is_cut && !has_query);
        if is_last {
            return;
        }
        begin += segment.len() + 1;
    }
}

fn segment(segment: &mut [u8], is_cut: bool) {
    let text = str::from_utf8(segment).ok();
    let text = text.filter(|text| !is_cut && text.bytes().all(|byte| byte.is_ascii_graphic()));
    match text.and_then(url_template::word) {
        None => segment.fill(ID),
        Some(word) => {
            let shown = word.len();
            let parameters = &mut segment[shown..];
            let mark = match parameters.first() {
                Some(b'%') => url_template::ENCODED_BYTES,
                _ => 1,
            };
            if let Some(parameters) = parameters.get_mut(mark..) {
                parameters.fill(REDACTED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, url_paths: UrlPaths, expected: &str) {
        let mut seen = target.as_bytes().to_vec();
        redact(&mut seen, b"GET", false, url_paths);
        assert_eq!(String::from_utf8_lossy(&seen), expected, "{target}");
    }

    #[test]
    fn targets_show_what_spans_show() {
        let template = UrlPaths::Template;
        for (target, expected) in [
            ("/dispatch?customer=123", "/dispatch?xxxxxxxxxxxx"),
            ("/users/4711/a#top", "/users/0000/a#xxx"),
            ("/a;jsessionid=AB/b;c", "/a;xxxxxxxxxxxxx/b;x"),
            ("/a%3Bs=AB/b", "/a%3Bxxxx/b"),
            ("/a%3Ft=1/b", "/a%3Fxxxxx"),
            ("http://me:pw@shop/42?q", "http://xxxxx@shop/00?x"),
            ("http://shop", "http://shop"),
            ("secret", "xxxxxx"),
            ("*", "*"),
        ] {
            check(target, template, expected);
        }
        check("/users/4711?a", UrlPaths::Full, "/users/4711?x");
        check("/users/4711?a", UrlPaths::Off, "/xxxxxxxxxx?x");
    }

    #[test]
    fn a_cut_segment_goes() {
        let mut target = b"/users/passw".to_vec();
        redact(&mut target, b"GET", true, UrlPaths::Template);
        assert_eq!(target, b"/users/00000");
    }
}
