//! The request target (RFC 9112 section 3.2). In: the bytes between method and version, possibly
//! cut. Out: path and authority.
//!
//! Never copies the query, the fragment or a user's name and password.

use super::method::Method;

/// Longest path that is stored, in bytes after escaping.
pub const PATH_MAX_BYTES: usize = 1024;

/// Longest host that is stored, with its port, in bytes. A longer one is left out: part of a name
/// may be the name of another host.
pub const HOST_MAX_BYTES: usize = 255;

/// What a request target names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// Printable ASCII. `None` when the path is cut, or the form has none.
    pub(super) path: Option<String>,
    /// The authority of an absolute or authority form, which overrides the Host field (section
    /// 3.2.2).
    pub(super) host: Option<String>,
}

impl Target {
    /// Reads any of the four forms. `cut`: the capture ends within the target.
    pub(super) fn read(method: &Method, target: &[u8], cut: bool) -> Self {
        if *method == Method::Connect {
            let host = if cut { None } else { authority(target) };
            return Self { path: None, host };
        }
        if target == b"*" {
            return Self {
                path: (!cut).then(|| "*".to_owned()),
                host: None,
            };
        }
        if target.first() == Some(&b'/') {
            return Self {
                path: path(target, cut),
                host: None,
            };
        }
        // Neither origin nor asterisk form: absolute form, or invalid.
        absolute(target, cut).unwrap_or_default()
    }
}

fn absolute(target: &[u8], cut: bool) -> Option<Target> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    if !scheme
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let Some(end) = rest.iter().position(|byte| b"/?#".contains(byte)) else {
        let whole = !cut;
        return Some(Target {
            path: whole.then(|| "/".to_owned()),
            host: if whole { authority(rest) } else { None },
        });
    };
    let (host, rest) = rest.split_at(end);
    Some(Target {
        path: path(rest, cut),
        host: authority(host),
    })
}

/// The path up to its query or fragment. A cut target has a known path only when the cut
/// is behind the path.
pub(crate) fn path(from_path: &[u8], cut: bool) -> Option<String> {
    let end = from_path.iter().position(|byte| b"?#".contains(byte));
    if cut && end.is_none() {
        return None;
    }
    let path = &from_path[..end.unwrap_or(from_path.len())];
    // An absolute target without a path is the root (RFC 9110 section 4.2.3).
    if path.is_empty() {
        Some("/".to_owned())
    } else {
        Some(printable(path))
    }
}

/// Percent-escapes bytes that are not printable ASCII (RFC 3986 section 2.1), up to
/// [`PATH_MAX_BYTES`].
fn printable(path: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(path.len().min(PATH_MAX_BYTES));
    for byte in path {
        let needs_bytes = if byte.is_ascii_graphic() { 1 } else { 3 };
        if text.len() + needs_bytes > PATH_MAX_BYTES {
            break;
        }
        if byte.is_ascii_graphic() {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 0xf)]));
        }
    }
    text
}

/// A `host [ ":" port ]` without user information (RFC 9110 section 4.2.4). `None` when it is
/// empty, too long, or contains a byte that is invalid in host names, addresses and ports (RFC 3986
/// section 3.2.2).
pub(crate) fn authority(bytes: &[u8]) -> Option<String> {
    let host = bytes.rsplit(|byte| *byte == b'@').next()?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte);
    if host.is_empty() || host.len() > HOST_MAX_BYTES || !host.iter().all(allowed) {
        return None;
    }
    Some(host.iter().copied().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &[u8], cut: bool, expected: (Option<&str>, Option<&str>)) {
        let seen = Target::read(&Method::from_token(method), target, cut);
        let seen = (seen.path.as_deref(), seen.host.as_deref());
        assert_eq!(seen, expected, "{}", target.escape_ascii());
    }

    #[test]
    fn the_query_of_the_origin_form_is_dropped() {
        check("GET", b"/", false, (Some("/"), None));
        check(
            "GET",
            b"/dispatch?customer=123",
            false,
            (Some("/dispatch"), None),
        );
        check("GET", b"/a/b;v=1#top?x", false, (Some("/a/b;v=1"), None));
        check("GET", b"/?", false, (Some("/"), None));
        check("GET", b"//a@b/c", false, (Some("//a@b/c"), None));
    }

    #[test]
    fn absolute_form_names_the_host() {
        check(
            "GET",
            b"http://shop:8080/a?b",
            false,
            (Some("/a"), Some("shop:8080")),
        );
        check("GET", b"http://shop", false, (Some("/"), Some("shop")));
        check("GET", b"http://shop?q", false, (Some("/"), Some("shop")));
        check(
            "GET",
            b"HTTP://[fd00::1]:80/x",
            false,
            (Some("/x"), Some("[fd00::1]:80")),
        );
        check(
            "GET",
            b"http://user:pw@shop/x",
            false,
            (Some("/x"), Some("shop")),
        );
        check("GET", b"http:///x", false, (Some("/x"), None));
    }

    #[test]
    fn other_forms() {
        check("OPTIONS", b"*", false, (Some("*"), None));
        check("CONNECT", b"shop:443", false, (None, Some("shop:443")));
        check(
            "CONNECT",
            b"user:pw@shop:443",
            false,
            (None, Some("shop:443")),
        );
        check("GET", b"shop:443", false, (None, None));
        check("GET", b"user:pw@shop/x", false, (None, None));
        check("GET", b"?q", false, (None, None));
    }

    #[test]
    fn a_cut_target_yields_its_complete_parts() {
        check("GET", b"/dispa", true, (None, None));
        check("GET", b"/dispatch?", true, (Some("/dispatch"), None));
        check("GET", b"http://sho", true, (None, None));
        check("GET", b"http://shop/", true, (None, Some("shop")));
        check("GET", b"http://shop/a?", true, (Some("/a"), Some("shop")));
        check("GET", b"htt", true, (None, None));
        check("OPTIONS", b"*", true, (None, None));
        check("CONNECT", b"shop:4", true, (None, None));
        check("GET", b"", true, (None, None));
    }

    #[test]
    fn path_and_host_are_printable_and_bounded() {
        check(
            "GET",
            "/caf\u{e9}".as_bytes(),
            false,
            (Some("/caf%C3%A9"), None),
        );
        check(
            "GET",
            b"/\xff\x1b[31m\x7f",
            false,
            (Some("/%FF%1B[31m%7F"), None),
        );
        let long = [b"/".as_slice(), &[b'a'; 4000]].concat();
        check(
            "GET",
            &long,
            false,
            (Some(&format!("/{}", "a".repeat(1023))), None),
        );
        let escapes = [b"/a".as_slice(), &[0xff; 4000]].concat();
        check(
            "GET",
            &escapes,
            false,
            (Some(&format!("/a{}", "%FF".repeat(340))), None),
        );
        let host = format!("http://{}/", "a".repeat(256));
        check("GET", host.as_bytes(), false, (Some("/"), None));
        check("GET", b"http://a\x1bb/", false, (Some("/"), None));
    }
}
