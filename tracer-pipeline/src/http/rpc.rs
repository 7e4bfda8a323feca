//! The service and method of a gRPC call. In: the path of its request. Out: `Rpc`.

/// The service and method of a gRPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// The full name of the service, with its package: the value of `rpc.service`.
    pub service: String,
    /// The method without the service: the value of `rpc.method`.
    pub method: String,
}

/// Longest service or method.
const NAME_MAX_BYTES: usize = 128;
/// Most digits in a part of a name: more are those of an id.
const NAME_MAX_DIGITS: usize = 4;

impl Rpc {
    /// Splits the path `/package.Service/Method` (gRPC over HTTP/2, "Requests"). `None` for any
    /// other form, and where service and method do not look like names in code: they are exported
    /// as they are.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        if !is_name(service) || method.contains('.') || !is_name(method) {
            return None;
        }
        Some(Self {
            service: service.to_owned(),
            method: method.to_owned(),
        })
    }
}

/// Whether these are identifiers of Protocol Buffers, with full stops between them. A server may have
/// a prefix before them, with slashes.
fn is_name(text: &str) -> bool {
    let is_identifier = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && digits <= NAME_MAX_DIGITS
    };
    text.len() <= NAME_MAX_BYTES && text.split(['.', '/']).all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(&str, &str)>) {
        let seen = Rpc::from_path(path);
        let seen = seen.as_ref().map(|rpc| (&*rpc.service, &*rpc.method));
        assert_eq!(seen, expected, "{path}");
    }

    #[test]
    fn names_are_bounded() {
        check("/a.v1.Cart/AddItem", Some(("a.v1.Cart", "AddItem")));
        check("/Cart/add_2", Some(("Cart", "add_2")));
        check("/x/a.B/C", Some(("x/a.B", "C")));
        let long = "a".repeat(NAME_MAX_BYTES + 1);
        for path in [
            "/",
            "/a",
            "/a/",
            "//a",
            "/users/12345",
            "/a/b?c",
            "/a./b",
            "/a/b.c",
            "/1/2",
            "/users/a12b34c56",
            "/a/token%20",
            &format!("/a/{long}"),
            &format!("/{long}/a"),
        ] {
            check(path, None);
        }
    }
}
