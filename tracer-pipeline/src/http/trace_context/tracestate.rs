//! `tracestate` (W3C Trace Context section 3.3): vendors' additions to a `traceparent`, which are
//! propagated unchanged. In: field values, in the order sent. Out: the list, if it is valid.

use std::sync::Arc;

/// Longest list that is propagated: the length that section 3.3.1.5 requires vendors to propagate.
const MAX_BYTES: usize = 512;
/// Most members of a list (section 3.3.1.1).
const MAX_MEMBERS: usize = 32;

/// The fields so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracestate {
    list: String,
    is_malformed: bool,
}

impl Tracestate {
    /// Takes the next `tracestate` field of the head. Several are one list (section 3.3.1.1).
    pub(super) fn read(&mut self, value: &[u8]) {
        if self.is_malformed {
            return;
        }
        match str::from_utf8(value) {
            Ok(value) if self.list.len() + 1 + value.len() <= MAX_BYTES => {
                if !self.list.is_empty() && !value.is_empty() {
                    self.list.push(',');
                }
                self.list.push_str(value);
            }
            _ => {
                self.is_malformed = true;
                self.list = String::new();
            }
        }
    }

    /// The list; `None` where it is absent or invalid.
    pub(super) fn list(&self) -> Option<Arc<str>> {
        let members = || self.list.split(',').map(str::trim_ascii);
        let is_list = members().all(|member| member.is_empty() || is_member(member));
        let has_members = members().any(|member| !member.is_empty());
        let is_short = members().count() <= MAX_MEMBERS;
        (is_list && has_members && is_short).then(|| self.list.as_str().into())
    }
}

/// `key=value` (section 3.3.1.3): the key lower case, the value printable without comma and equals
/// sign.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let in_key =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let in_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let starts_well = key
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_key = starts_well && key.len() <= 256 && key.bytes().all(in_key);
    is_key && !value.is_empty() && value.len() <= 256 && value.bytes().all(in_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fields`: the values of the fields, in their order.
    fn check(fields: &[&str], expected: Option<&str>) {
        let mut tracestate = Tracestate::default();
        for value in fields {
            tracestate.read(value.as_bytes());
        }
        assert_eq!(tracestate.list().as_deref(), expected, "{fields:?}");
    }

    #[test]
    fn lists_are_propagated_unchanged() {
        check(&[], None);
        check(&["rojo=00f067aa0ba902b7"], Some("rojo=00f067aa0ba902b7"));
        check(&["a=1, b@v=2", "c=3"], Some("a=1, b@v=2,c=3"));
        check(&["a=1", ""], Some("a=1"));
        check(&["", " "], None);
    }

    #[test]
    fn invalid_lists_are_dropped() {
        for bad in [
            "a", "=1", "a=", "A=1", "_a=1", "a=1=2", "a=\t1", "a=1,b", "a=é",
        ] {
            check(&[bad], None);
            check(&["ok=1", bad], None);
        }
        check(&[&"a=1,".repeat(MAX_MEMBERS)], None);
        check(&[&format!("a={}", "x".repeat(MAX_BYTES))], None);
        check(&["a=1", &"x".repeat(MAX_BYTES), "b=2"], None);
        let mut bytes = Tracestate::default();
        bytes.read(&[b'a', b'=', 0xff]);
        assert_eq!(bytes.list(), None);
    }
}
