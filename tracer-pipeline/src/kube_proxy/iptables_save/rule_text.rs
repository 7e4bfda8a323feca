//! One rule of `iptables-save`. In: the words of an `-A` line after the chain's name. Out: a
//! [`Rule`] with what kube-proxy's rules are made of. Conditions and targets that kube-proxy
//! does not use are read over.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::super::Protocol;
use super::super::decision::Answer;
use super::super::finding::{Position, Problem};
use super::super::network::Network;
use super::super::rule::{Destination, Rule, Target};
use super::super::source::Source;
use super::words::Words;

/// Reads the words after `-A CHAIN`. `None` for a rule with a condition that kube-proxy's rules
/// never have and that would make it mean something else if it were read over: another
/// protocol, a range of ports, a negation of either.
pub(super) fn read<'t>(line: usize, words: &mut Words<'t>) -> Result<Option<Rule<'t>>, Problem> {
    let mut rule = Rule {
        position: Position::Line(line),
        ..Rule::default()
    };
    let mut jump = None;
    let mut endpoint = None;
    let mut negated = false;
    while let Some(word) = words.next_word()? {
        let not = std::mem::replace(&mut negated, word == "!");
        match &*word {
            "-s" | "--source" => rule.source = network(&words.value()?, not)?,
            "-i" | "--in-interface" | "--physdev-in" => {
                words.value()?;
                rule.source = in_interface(not);
            }
            "--src-type" => {
                let from_node = words.value()? == "LOCAL" && !not;
                if from_node {
                    rule.source = Source::Node;
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
            "--comment" => rule.comment(words.value()?),
            "-j" | "--jump" | "-g" | "--goto" => jump = Some(words.value()?),
            "--to-destination" => endpoint = Some(words.value()?),
            _ => {}
        }
    }
    rule.target = match jump.as_deref() {
        Some("DNAT") => Target::Dnat(parse_endpoint(endpoint)?),
        Some("REJECT") => Target::Refuse(Answer::Reject),
        Some("DROP") => Target::Refuse(Answer::Drop),
        Some(chain) if chain.starts_with("KUBE-") => jump.map_or(Target::Other, Target::jump),
        _ => Target::Other,
    };
    Ok(Some(rule))
}

fn network(network: &str, negated: bool) -> Result<Source, Problem> {
    let network = Network::parse(network)?;
    Ok(if negated {
        Source::Outside(network)
    } else {
        Source::Inside(network)
    })
}

fn in_interface(negated: bool) -> Source {
    if negated {
        Source::OtherInterface
    } else {
        Source::Interface
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

#[cfg(test)]
mod tests {
    use super::super::super::rule_comment::Remark;
    use super::*;

    fn read(words: &str) -> Result<Option<Rule<'_>>, Problem> {
        super::read(7, &mut Words::new(words))
    }

    fn check(words: &str, expected: Rule<'_>) {
        assert_eq!(
            read(words),
            Ok(Some(Rule {
                position: Position::Line(7),
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
            Rule {
                destination: Some(Destination {
                    network: network("10.97.10.10"),
                    negated: false,
                }),
                protocol: Some(Protocol::Tcp),
                destination_port: Some(80),
                service: Some("default/web:http".into()),
                remark: Some(Remark::ClusterIp),
                target: Target::Chain("KUBE-SVC-A".into()),
                ..Rule::default()
            },
        );
        check(
            r#"-p udp -m comment --comment "a/b" -m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource -m udp -j DNAT --to-destination [fd00::1]:53"#,
            Rule {
                protocol: Some(Protocol::Udp),
                service: Some("a/b".into()),
                target: Target::Dnat("[fd00::1]:53".parse().expect("an address")),
                ..Rule::default()
            },
        );
        check(
            "-m recent --rcheck --seconds 60 --reap --name KUBE-SEP-A --rsource -j KUBE-SEP-A",
            Rule {
                returning_client: true,
                target: Target::Chain("KUBE-SEP-A".into()),
                ..Rule::default()
            },
        );
        check(
            "-m addrtype --dst-type LOCAL -g KUBE-NODEPORTS",
            Rule {
                to_node: true,
                target: Target::Chain("KUBE-NODEPORTS".into()),
                ..Rule::default()
            },
        );
        for (target, answer) in [("REJECT", Answer::Reject), ("DROP", Answer::Drop)] {
            check(
                &format!("--comment \"a/b has no endpoints\" -j {target}"),
                Rule {
                    service: Some("a/b".into()),
                    remark: Some(Remark::NoEndpoints),
                    target: Target::Refuse(answer),
                    ..Rule::default()
                },
            );
        }
        check(
            "-s 10.201.1.1/32 -j KUBE-MARK-MASQ",
            Rule {
                source: Source::Inside(network("10.201.1.1")),
                target: Target::Mark,
                ..Rule::default()
            },
        );
        check(
            "-m comment --comment \"x -j DNAT\" -j MARK --set-xmark 0x4000/0x4000",
            Rule::default(),
        );
    }

    #[test]
    fn sources() {
        let check = |words: &str, source| {
            check(
                words,
                Rule {
                    source,
                    ..Rule::default()
                },
            );
        };
        check("", Source::Any);
        check(
            "! -s 10.201.0.0/16",
            Source::Outside(network("10.201.0.0/16")),
        );
        check("! -s 10.201.1.1/32", Source::Outside(network("10.201.1.1")));
        check("! -i cbr0", Source::OtherInterface);
        check("-m physdev ! --physdev-in veth+", Source::OtherInterface);
        check("-s 10.201.0.0/16", Source::Inside(network("10.201.0.0/16")));
        check("-i cbr0", Source::Interface);
        check("-s 10.201.1.1/32", Source::Inside(network("10.201.1.1")));
        check("-m addrtype --src-type LOCAL", Source::Node);
        check("-m addrtype ! --src-type LOCAL", Source::Any);
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
}
