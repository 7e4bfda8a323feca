//! Parses the comments of kube-proxy's rules. In: a comment. Out: the service and kube-proxy's
//! remark.

use std::borrow::Cow;

/// Bound on a service's name, in bytes. iptables comments have the same bound (XT_MAX_COMMENT_LEN).
const SERVICE_MAX_BYTES: usize = 256;

/// The words after the service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    ClusterIp,
    ExternalIp,
    LoadBalancerIp,
    NoEndpoints,
    NoLocalEndpoints,
}

/// The service in a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceComment<'t> {
    /// `namespace/name:port`.
    pub(super) service: Cow<'t, str>,
    pub(super) remark: Option<Remark>,
}

impl<'t> ServiceComment<'t> {
    /// Parses a comment that starts with a service: `default/web:http cluster IP`,
    /// `default/web:http -> 10.0.0.1:80`, `default/web:http`. `None` for other comments.
    pub(super) fn read(comment: Cow<'t, str>) -> Option<Self> {
        let (service, rest) = service_word(&comment)?;
        let (remark, bytes) = (remark(rest), service.len());
        let start = comment.len() - comment.trim_ascii_start().len();
        let service = match comment {
            Cow::Borrowed(comment) => Cow::Borrowed(comment.get(start..start + bytes)?),
            Cow::Owned(comment) => Cow::Owned(comment.get(start..start + bytes)?.to_owned()),
        };
        Some(Self { service, remark })
    }
}

/// The first word, where it is a service, and the rest of the comment.
fn service_word(comment: &str) -> Option<(&str, &str)> {
    let comment = comment.trim_ascii_start();
    let end = comment
        .find(|char: char| char.is_ascii_whitespace())
        .unwrap_or(comment.len());
    let (word, rest) = comment.split_at(end);
    let (namespace, name) = word.split_once('/')?;
    let printable = word.bytes().all(|byte| byte.is_ascii_graphic());
    let named = !namespace.is_empty() && !name.is_empty();
    (named && printable && word.len() <= SERVICE_MAX_BYTES).then_some((word, rest.trim_ascii()))
}

/// Source: pkg/proxy/iptables/proxier.go, syncProxyRules.
fn remark(words: &str) -> Option<Remark> {
    match words {
        "cluster IP" => Some(Remark::ClusterIp),
        "external IP" => Some(Remark::ExternalIp),
        "loadbalancer IP" => Some(Remark::LoadBalancerIp),
        "has no endpoints" => Some(Remark::NoEndpoints),
        "has no local endpoints" => Some(Remark::NoLocalEndpoints),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_remarks() {
        let check = |comment: &str, expected: Option<(&str, Option<Remark>)>| {
            for comment in [Cow::Borrowed(comment), Cow::Owned(comment.to_owned())] {
                let mention = ServiceComment::read(comment);
                let seen = mention.as_ref().map(|m| (&*m.service, m.remark));
                assert_eq!(seen, expected);
            }
        };
        check("default/web-lb", Some(("default/web-lb", None)));
        check(
            "default/web:http -> 10.0.0.1:80",
            Some(("default/web:http", None)),
        );
        check(" a/b cluster IP ", Some(("a/b", Some(Remark::ClusterIp))));
        check("a/b external IP", Some(("a/b", Some(Remark::ExternalIp))));
        check(
            "a/b:c loadbalancer IP",
            Some(("a/b:c", Some(Remark::LoadBalancerIp))),
        );
        check(
            "a/b has no endpoints",
            Some(("a/b", Some(Remark::NoEndpoints))),
        );
        check(
            "a/b has no local endpoints",
            Some(("a/b", Some(Remark::NoLocalEndpoints))),
        );
        check("kubernetes service portals", None);
        check("pod traffic for default/web external destinations", None);
        check("/web", None);
        check("default/", None);
        check("", None);
        check("default/\u{1b}[31m", None);
        check(&format!("a/{}", "b".repeat(300)), None);
    }
}
