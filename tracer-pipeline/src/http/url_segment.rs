//! Whether a segment of a path is a word of the route, or an id or a secret. In: the segment,
//! decoded. Out: a guess, which errs towards ids. The cost is linear in the length.

use super::letter_pairs::rare_pairs;

/// A longer segment is an id: a token, or the title of an article.
pub(super) const WORD_MAX_BYTES: usize = 40;
/// Most digits of a word, as in `oauth2`, `base64`, `i18n`.
const WORD_MAX_DIGITS: usize = 2;
/// Words with more digits.
const WORDS_WITH_DIGITS: [&str; 7] = [
    "sha256", "sha384", "sha512", "x509", "h264", "h265", "iso8601",
];
/// Shorter runs of letters are not judged by their pairs: many are abbreviations, as `xhr` and `graphql`.
const PAIRS_MIN_LETTERS: usize = 8;

/// Whether the segment looks like an id or a secret: a number, a UUID, hexadecimal or random text,
/// an e-mail address, anything long, or what no route has in its text.
pub(super) fn is_id(segment: &[u8]) -> bool {
    let segment = segment.strip_prefix(b"$").unwrap_or(segment);
    let is_word_byte = |byte: &u8| byte.is_ascii_alphanumeric() || is_separator(*byte);
    segment.len() > WORD_MAX_BYTES
        || !segment.iter().all(is_word_byte)
        || has_many_digits(segment)
        || segment.split(|byte| is_separator(*byte)).any(is_id_part)
        || is_numeric_between(segment)
}

/// Between the parts of a word: `sign-in`, `favicon.ico`, `__debug__`, `projects:search`.
fn is_separator(byte: u8) -> bool {
    b"-_.:".contains(&byte)
}

fn has_many_digits(segment: &[u8]) -> bool {
    let is_known = |part: &[u8]| {
        let mut words = WORDS_WITH_DIGITS.iter();
        words.any(|word| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    let parts = segment.split(|byte| is_separator(*byte));
    let unknown = parts.filter(|part| !is_known(part)).flatten();
    unknown.filter(|byte| byte.is_ascii_digit()).count() > WORD_MAX_DIGITS
}

/// Whether a part is a number. Behind a full stop it may be that of a version or a file: `v1.2`,
/// `app.2.js`.
fn is_numeric_between(segment: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut pieces = segment.split(|byte| b"-_:".contains(byte));
    pieces.any(|piece| {
        piece
            .split(|byte| *byte == b'.')
            .next()
            .is_some_and(is_number)
    })
}

fn is_id_part(part: &[u8]) -> bool {
    is_hexadecimal(part) || is_interleaved(part) || has_random_letters(part)
}

/// `deadbeef` and `fa12de`, but not `facade`, `decade` and `b2b`.
fn is_hexadecimal(part: &[u8]) -> bool {
    let has_digit = part.iter().any(u8::is_ascii_digit);
    let min_bytes = if has_digit { 5 } else { 8 };
    part.len() >= min_bytes && part.iter().all(u8::is_ascii_hexdigit)
}

/// Whether digits are in more than one place, as in `x7k2p`. Versions as `v1beta1` are none.
fn is_interleaved(part: &[u8]) -> bool {
    let runs = part.chunk_by(|one, next| one.is_ascii_digit() == next.is_ascii_digit());
    let runs = runs.filter(|run| run[0].is_ascii_digit()).count();
    runs > 1 && !is_version(part)
}

fn is_version(part: &[u8]) -> bool {
    let mut letters = part.split(u8::is_ascii_digit).filter(|run| !run.is_empty());
    let is_of_version = |run: &[u8]| [&b"v"[..], b"alpha", b"beta", b"rc", b"p"].contains(&run);
    part.first() == Some(&b'v') && letters.all(is_of_version)
}

/// Whether the letters make no words: pairs that are in none, or capitals without order.
fn has_random_letters(part: &[u8]) -> bool {
    let runs = part.split(u8::is_ascii_digit);
    let mut judged = runs.filter(|letters| letters.len() >= PAIRS_MIN_LETTERS);
    judged.any(|letters| rare_pairs(letters) >= 2 || has_random_capitals(letters))
}

/// Whether words would be shorter than two and a half letters on average, were it camelCase.
fn has_random_capitals(letters: &[u8]) -> bool {
    let words =
        letters.chunk_by(|one, next| !(one.is_ascii_lowercase() && next.is_ascii_uppercase()));
    let words = words.count();
    words > 2 && words * 5 > letters.len() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_routes_stay() {
        for word in [
            "",
            ".",
            "..",
            "users",
            "dispatch",
            "added",
            "face",
            "facade",
            "decade",
            "bad",
            "cafe",
            "v2",
            "V1",
            "v1beta1",
            "v2alpha1",
            "v1.2",
            "oauth2",
            "oauth2callback",
            "base64",
            "utf8",
            "ipv4",
            "i18n",
            "a11y",
            "k8s",
            "s3",
            "b2b",
            "2fa",
            "mp3",
            "sha256",
            "x509",
            "md5",
            "sign-in",
            "order_items",
            "wp-admin",
            "favicon.ico",
            "index.html",
            "app.2.js",
            ".well-known",
            "openid-configuration",
            "jwks.json",
            "robots.txt",
            "__debug__",
            "_search",
            "_bulk",
            "$metadata",
            "projects:search",
            "getUserById",
            "XMLHttpRequest",
            "ListAllSubscriptions",
            "healthz",
            "xmlrpc.php",
            "graphql",
            "wss",
            "mgmt",
            "xhr",
            "GetItemsByCategory",
            "authentication",
            "internationalization",
            "customers",
            "FindNearest",
            "swagger-ui",
            "checkout",
            "subscriptions",
            "knowledgebase",
            "webhooks",
            "socket.io",
            "api-docs",
        ] {
            assert!(!is_id(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn ids_and_secrets_do_not() {
        for id in [
            "1",
            "42",
            "2024",
            "007",
            "1.2.3",
            "10.0.0.1",
            "2024-01-05",
            "2024-W03",
            "order-7",
            "page_2",
            "user1234",
            "order-1234",
            "INV-2024-0001",
            "abc123",
            "a1b2c3",
            "x7k2p",
            "3f2a9c",
            "fa12de",
            "deadbeef",
            "DEADBEEF",
            "550e8400-e29b-41d4-a716-446655440000",
            "0af7651916cd43dd8448eb211c80319c",
            "cafebabe-dead-beef-feed-facefeedface",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "AKIAIOSFODNN7EXAMPLE1",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "xkqzjvbw",
            "QWRTZXCV",
            "aBcDeFgHiJ",
            "alice@example.com",
            "@alice",
            "~alice",
            "a,b",
            "a=b",
            "a b",
            "a/b",
            "{id}",
            "caf\u{e9}",
            "100%",
            "bundle.3f2a9c81.js",
            "+4915112345",
            "a+b",
            "how-to-configure-the-ingress-controller-of-a-cluster",
        ] {
            assert!(is_id(id.as_bytes()), "{id}");
        }
        assert!(is_id(b"\xff\xfe"));
        assert!(is_id(b"a\0b"));
        assert!(is_id(&[b'a'; WORD_MAX_BYTES + 1]));
    }
}
