//! The template of a path: `/users/{id}` of `/users/42`. In: a path. Out: the same path with `{id}` in
//! the place of what looks like an id or a secret. A guess, because the application's routes are not
//! known.

use std::borrow::Cow;

use super::{
    head::PATH_MAX_BYTES,
    url_segment::{WORD_MAX_BYTES, is_id},
};

/// What stands for an id.
const ID: &str = "{id}";
/// Most segments that are shown; `{rest}` stands for those behind them.
pub(crate) const SEGMENTS_MAX: usize = 16;
const REST: &str = "{rest}";
/// Bytes of a percent-encoded byte.
pub(crate) const ENCODED_BYTES: usize = 3;

/// The template of a path without query, as [`RequestHead::path`](super::head::RequestHead::path) has
/// it. Matrix parameters, and what follows a percent-encoded `?` or `#`, are left out.
pub(crate) fn template(path: &str) -> Cow<'_, str> {
    // The asterisk form (RFC 9112 section 3.2.4).
    if path == "*" {
        return Cow::Borrowed(path);
    }
    let shown = &path[..encoded_query(path.as_bytes()).unwrap_or(path.len())];
    // The path may be cut at its end, and half of an id may look like a word.
    let may_be_cut = path.len() + ENCODED_BYTES > PATH_MAX_BYTES;
    let mut text = Cow::Borrowed("");
    let mut segments = shown.split('/').enumerate().peekable();
    while let Some((index, segment)) = segments.next() {
        let is_cut = may_be_cut && segments.peek().is_none();
        let replaced = match word(segment) {
            _ if index > SEGMENTS_MAX => REST,
            Some(word) if !is_cut => word,
            _ => ID,
        };
        push(&mut text, shown, index > 0, replaced);
        if index > SEGMENTS_MAX {
            break;
        }
    }
    text
}

/// Adds a segment. `text` borrows from `path` for as long as it is its beginning.
fn push<'p>(text: &mut Cow<'p, str>, path: &'p str, is_behind_slash: bool, segment: &str) {
    let slash = if is_behind_slash { "/" } else { "" };
    let begin = text.len();
    let longer = path.get(..begin + slash.len() + segment.len());
    let added = longer.and_then(|longer| longer.get(begin..));
    let is_same = added.and_then(|added| added.strip_prefix(slash)) == Some(segment);
    match (&mut *text, longer) {
        (Cow::Borrowed(text), Some(longer)) if is_same => *text = longer,
        (text, _) => {
            let text = text.to_mut();
            text.push_str(slash);
            text.push_str(segment);
        }
    }
}

/// A segment without its matrix parameters (RFC 3986 section 3.3), where it is a word of the route.
/// Percent-encoding is decoded before it is judged; in a word it stays as it was sent.
pub(crate) fn word(segment: &str) -> Option<&str> {
    let parameters = find(segment.as_bytes(), |rest| {
        rest[0] == b';' || is_encoded(rest, *b"3b")
    });
    let segment = &segment[..parameters.unwrap_or(segment.len())];
    let mut decoded = [0; WORD_MAX_BYTES + 1];
    let decoded = decode(segment.as_bytes(), &mut decoded)?;
    (!is_id(decoded)).then_some(segment)
}

/// Where a percent-encoded `?` or `#` begins.
pub(crate) fn encoded_query(path: &[u8]) -> Option<usize> {
    find(path, |rest| {
        is_encoded(rest, *b"3f") || is_encoded(rest, *b"23")
    })
}

/// The first position at which the rest of the bytes, never empty, is as wanted.
fn find(bytes: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<usize> {
    (0..bytes.len()).find(|at| is_wanted(&bytes[*at..]))
}

/// Whether this begins with the percent-encoding of a byte.
fn is_encoded(rest: &[u8], digits: [u8; 2]) -> bool {
    let encoded = rest.strip_prefix(b"%").and_then(<[u8]>::first_chunk::<2>);
    encoded.is_some_and(|sent| sent.eq_ignore_ascii_case(&digits))
}

/// Decodes percent-encoding (RFC 3986 section 2.1), once. `None` if the result does not fit.
fn decode<'d>(segment: &[u8], decoded: &'d mut [u8]) -> Option<&'d [u8]> {
    let mut rest = segment;
    let mut bytes = 0;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.first_chunk().filter(|_| *first == b'%');
        let escaped = escaped.and_then(unescape);
        *decoded.get_mut(bytes)? = escaped.unwrap_or(*first);
        bytes += 1;
        rest = match escaped {
            Some(_) => &behind[2..],
            None => behind,
        };
    }
    decoded.get(..bytes)
}

fn unescape(digits: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(path: &str, expected: &str) {
        let seen = template(path);
        assert_eq!(seen, expected, "{path}");
        let is_borrowed = matches!(seen, Cow::Borrowed(_));
        assert!(is_borrowed || path != expected, "{path} is copied");
    }

    #[test]
    fn paths_of_routes_stay() {
        for path in [
            "/",
            "*",
            "/dispatch",
            "/users/",
            "//a//b",
            "/api/v2/users/me",
            "/static/app.css",
            "/driver.DriverService/FindNearest",
            "/.well-known/openid-configuration",
            "/a/./../b",
            "/sign%2Din",
        ] {
            check(path, path);
        }
    }

    #[test]
    fn ids_are_replaced() {
        for (path, expected) in [
            ("/users/42", "/users/{id}"),
            ("/users/42/orders/7f3a9c2e", "/users/{id}/orders/{id}"),
            ("/1", "/{id}"),
            ("/42/", "/{id}/"),
            ("/550e8400-e29b-41d4-a716-446655440000/x", "/{id}/x"),
            ("/user:pw@shop/a", "/{id}/a"),
            ("/reset/%61%62%63%31%32%33", "/reset/{id}"),
            ("/caf%C3%A9/menu", "/{id}/menu"),
            ("/a/%FF%FE/b", "/a/{id}/b"),
            ("/files/group%2Fproject", "/files/{id}"),
            ("/a%zz", "/{id}"),
            ("/a%", "/{id}"),
            ("/a%253Ftoken", "/{id}"),
        ] {
            check(path, expected);
        }
    }

    #[test]
    fn parameters_are_left_out() {
        for (path, expected) in [
            ("/shop;jsessionid=A1B2/cart", "/shop/cart"),
            ("/shop;a=b;c=d", "/shop"),
            ("/;token=x", "/"),
            ("/shop%3Bjsessionid=A1B2/cart", "/shop/cart"),
            ("/login%3Ftoken=secret/a", "/login"),
            ("/login%3ftoken=secret", "/login"),
            ("/login%23secret", "/login"),
            ("/42;v=1/x%3Fy", "/{id}/x"),
        ] {
            check(path, expected);
        }
    }

    #[test]
    fn templates_are_bounded() {
        check(&"/a".repeat(16), &"/a".repeat(16));
        check(&"/a".repeat(500), &("/a".repeat(16) + "/{rest}"));
        check(&format!("/{}", "a".repeat(1023)), "/{id}");
        let cut = format!("/{}/word", "a".repeat(PATH_MAX_BYTES - 6));
        check(&cut, "/{id}/{id}");
    }

    proptest! {
        #[test]
        fn any_path_has_a_template(path in "/[a-z0-9;%/?#@A-Z]{0,60}") {
            let once = template(&path).into_owned();
            prop_assert!(!once.contains([';', '@']));
            prop_assert!(once.len() <= path.len() * 5);
        }

        #[test]
        fn nothing_of_a_number_stays(number in 10_000_u64.., word in "[a-z]{1,6}") {
            let path = format!("/{word}/{number}/{word}");
            prop_assert!(!template(&path).contains(&number.to_string()));
        }
    }
}
