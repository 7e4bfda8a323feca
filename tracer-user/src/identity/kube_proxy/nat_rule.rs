//! One rule of the nat table. In: the words of an `-A` line after the chain's name. Out: a
//! [`NatRule`] with what kube-proxy's rules are made of. Conditions and targets that kube-proxy
//! does not use are read over.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::Protocol;
use super::finding::Problem;
use super::network::Network;
use super::words::Words;

/// Longest service name that is kept, in bytes. iptables comments end there too
/// (XT_MAX_COMMENT_LEN).
const SERVICE_MAX_BYTES: usize = 256;

/// The conditions and the target of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NatRule<'t> {
    /// Line of the text, from 1.
    pub(super) line: usize,
    pub(super) source: SourceCondition,
    pub(super) destination: Option<Destination>,
    pub(super) protocol: Option<Protocol>,
    pub(super) destination_port: Option<u16>,
    /// `--dst-type LOCAL`: any address of the node.
    pub(super) to_node: bool,
    /// `-m recent --rcheck`: the client had this endpoint before.
    pub(super) returning_client: bool,
    /// The service that the comment names.
    pub(super) service: Option<Cow<'t, str>>,
    pub(super) target: Target<'t>,
}

/// Who a rule applies to, as far as it matters for masquerading and for the choice between paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SourceCondition {
    #[default]
    Any,
    /// `! -s network`, `! -i interface`: the ways kube-proxy tells who is not a local pod
    /// (`--detect-local-mode`).
    NotPod,
    /// `--src-type LOCAL`.
    Node,
    /// `-s address`.
    Host(IpAddr),
    /// `-s network`, `-i interface`.
    Network,
}

/// `-d network`, perhaps negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) network: Network,
    pub(super) negated: bool,
}

/// Where a rule leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Target<'t> {
    /// Nowhere that matters here.
    #[default]
    Other,
    /// A jump to one of kube-proxy's chains.
    Chain(Cow<'t, str>),
    /// To an endpoint.
    Dnat(SocketAddr),
}

impl<'t> NatRule<'t> {
    /// Reads the words after `-A CHAIN`. `None` for a rule with a condition that kube-proxy's rules
    /// never have and that would make it mean something else if it were read over: another
    /// protocol, a range of ports, a negation of either.
    pub(super) fn read(line: usize, words: &mut Words<'t>) -> Result<Option<Self>, Problem> {
        let mut rule = Self {
            line,
            ..Self::default()
        };
        let mut jump = None;
        let mut endpoint = None;
        let mut negated = false;
        while let Some(word) = words.next_word()? {
            let not = std::mem::replace(&mut negated, word == "!");
            match &*word {
                "-s" | "--source" => rule.source = SourceCondition::network(&words.value()?, not)?,
                "-i" | "--in-interface" | "--physdev-in" => {
                    words.value()?;
                    rule.source = SourceCondition::in_interface(not);
                }
                "--src-type" => {
                    let from_node = words.value()? == "LOCAL" && !not;
                    if from_node {
                        rule.source = SourceCondition::Node;
                    }
                }
                "-d" | "--destination" => {
                    let network = Network::parse(&words.value()?)?;
                    rule.destination = Some(Destination {
                        network,
                        negated: not,
                    });
                }
                "--dst-type" => rule.to_node = words.value()? == "LOCAL" && !not,
                "-p" | "--protocol" => match protocol(&words.value()?) {
                    Some(protocol) if !not => rule.protocol = Some(protocol),
                    _ => return Ok(None),
                },
                "--dport" | "--destination-port" => match words.value()?.parse() {
                    Ok(port) if !not => rule.destination_port = Some(port),
                    _ => return Ok(None),
                },
                "--rcheck" | "--update" => rule.returning_client = !not,
                "--comment" => rule.service = service(words.value()?),
                "-j" | "--jump" | "-g" | "--goto" => jump = Some(words.value()?),
                "--to-destination" => endpoint = Some(words.value()?),
                _ => {}
            }
        }
        rule.target = match jump {
            Some(target) if target == "DNAT" => Target::Dnat(parse_endpoint(endpoint)?),
            Some(chain) if chain.starts_with("KUBE-") => Target::Chain(chain),
            _ => Target::Other,
        };
        Ok(Some(rule))
    }
}

impl SourceCondition {
    fn network(network: &str, negated: bool) -> Result<Self, Problem> {
        let network = Network::parse(network)?;
        Ok(match network.host() {
            _ if negated => Self::NotPod,
            Some(ip) => Self::Host(ip),
            None => Self::Network,
        })
    }

    fn in_interface(negated: bool) -> Self {
        if negated { Self::NotPod } else { Self::Network }
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    match name {
        "tcp" | "6" => Some(Protocol::Tcp),
        "udp" | "17" => Some(Protocol::Udp),
        "sctp" | "132" => Some(Protocol::Sctp),
        _ => None,
    }
}

fn parse_endpoint(to_destination: Option<Cow<'_, str>>) -> Result<SocketAddr, Problem> {
    to_destination
        .ok_or(Problem::NoValue)?
        .parse()
        .map_err(|_| Problem::Address)
}

/// The service a comment starts with: `default/web:http cluster IP`, `default/web:http ->
/// 10.0.0.1:80`, `default/web:http`.
fn service(comment: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match comment {
        Cow::Borrowed(comment) => service_word(comment).map(Cow::Borrowed),
        Cow::Owned(comment) => service_word(&comment).map(|word| Cow::Owned(word.to_owned())),
    }
}

fn service_word(comment: &str) -> Option<&str> {
    let word = comment.split_ascii_whitespace().next()?;
    let (namespace, name) = word.split_once('/')?;
    let printable = word.bytes().all(|byte| byte.is_ascii_graphic());
    let named = !namespace.is_empty() && !name.is_empty();
    (named && printable && word.len() <= SERVICE_MAX_BYTES).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Option<NatRule<'_>>, Problem> {
        NatRule::read(7, &mut Words::new(words))
    }

    fn check(words: &str, expected: NatRule<'_>) {
        assert_eq!(
            read(words),
            Ok(Some(NatRule {
                line: 7,
                ..expected
            })),
            "{words}"
        );
    }

    fn network(text: &str) -> Network {
        Network::parse(text).expect("a network")
    }

    #[test]
    fn rules_of_every_kind() {
        check(
            r#"-d 10.97.10.10/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-A"#,
            NatRule {
                destination: Some(Destination {
                    network: network("10.97.10.10"),
                    negated: false,
                }),
                protocol: Some(Protocol::Tcp),
                destination_port: Some(80),
                service: Some("default/web:http".into()),
                target: Target::Chain("KUBE-SVC-A".into()),
                ..NatRule::default()
            },
        );
        check(
            r#"-p udp -m comment --comment "a/b" -m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource -m udp -j DNAT --to-destination [fd00::1]:53"#,
            NatRule {
                protocol: Some(Protocol::Udp),
                service: Some("a/b".into()),
                target: Target::Dnat("[fd00::1]:53".parse().expect("an address")),
                ..NatRule::default()
            },
        );
        check(
            "-m recent --rcheck --seconds 60 --reap --name KUBE-SEP-A --rsource -j KUBE-SEP-A",
            NatRule {
                returning_client: true,
                target: Target::Chain("KUBE-SEP-A".into()),
                ..NatRule::default()
            },
        );
        check(
            "-m addrtype --dst-type LOCAL -g KUBE-NODEPORTS",
            NatRule {
                to_node: true,
                target: Target::Chain("KUBE-NODEPORTS".into()),
                ..NatRule::default()
            },
        );
        check(
            "-m comment --comment \"x -j DNAT\" -j MARK --set-xmark 0x4000/0x4000",
            NatRule::default(),
        );
    }

    #[test]
    fn sources() {
        let check = |words: &str, source| {
            check(
                words,
                NatRule {
                    source,
                    ..NatRule::default()
                },
            );
        };
        check("", SourceCondition::Any);
        check("! -s 10.201.0.0/16", SourceCondition::NotPod);
        check("! -s 10.201.1.1/32", SourceCondition::NotPod);
        check("! -i cbr0", SourceCondition::NotPod);
        check("-m physdev ! --physdev-in veth+", SourceCondition::NotPod);
        check("-s 10.201.0.0/16", SourceCondition::Network);
        check("-i cbr0", SourceCondition::Network);
        check(
            "-s 10.201.1.1/32",
            SourceCondition::Host("10.201.1.1".parse().expect("an address")),
        );
        check("-m addrtype --src-type LOCAL", SourceCondition::Node);
        check("-m addrtype ! --src-type LOCAL", SourceCondition::Any);
    }

    #[test]
    fn rules_that_mean_something_else_are_left_out() {
        for words in [
            "-p icmp",
            "! -p tcp",
            "-p tcp --dport 80:90",
            "-p tcp ! --dport 80",
        ] {
            assert_eq!(read(words), Ok(None), "{words}");
        }
    }

    #[test]
    fn problems() {
        for (words, problem) in [
            ("-s", Problem::NoValue),
            ("-j", Problem::NoValue),
            ("-j DNAT", Problem::NoValue),
            ("-s 10.0.0.0/33", Problem::Address),
            ("-d fd00::/129", Problem::Address),
            ("-d 10.0.0/8", Problem::Address),
            ("-d 10.0.0.0/-1", Problem::Address),
            ("-j DNAT --to-destination 10.0.0.1", Problem::Address),
            ("-j DNAT --to-destination fd00::1:80", Problem::Address),
            ("--comment \"x", Problem::UnendedQuote),
        ] {
            assert_eq!(read(words), Err(problem), "{words}");
        }
    }

    #[test]
    fn services() {
        let check = |comment: &str, expected: Option<&str>| {
            assert_eq!(service(comment.into()).as_deref(), expected);
        };
        check("default/web-lb", Some("default/web-lb"));
        check("default/web:http -> 10.0.0.1:80", Some("default/web:http"));
        check("kubernetes service portals", None);
        check("pod traffic for default/web external destinations", None);
        check("/web", None);
        check("default/", None);
        check("", None);
        check("default/\u{1b}[31m", None);
        check(&format!("a/{}", "b".repeat(300)), None);
    }
}
