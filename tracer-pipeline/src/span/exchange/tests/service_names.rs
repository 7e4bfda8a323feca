//! Under whose name the spans of each path are exported.

use super::*;
use crate::decode::{
    Fact,
    fact::{ObjectName, PodFact, Workload, WorkloadKind},
};

/// A pod with the address of one side of [`exchange`].
fn pod(name: &str, ip: &str, workload: Option<&str>) -> Fact {
    Fact::Pod(PodFact {
        uid: format!("uid-{name}"),
        pod: ObjectName {
            namespace: "shop".into(),
            name: name.into(),
        },
        workload: workload.map(|name| Workload {
            kind: WorkloadKind::Deployment,
            name: name.into(),
        }),
        addresses: vec![ip.parse().unwrap()],
        ..PodFact::default()
    })
}

/// Checks `role: name` of each span that is no hop, and that hops have the name of their path.
fn check(service_name: ServiceName, facts: Vec<Fact>, expected: &[&str]) {
    let mut directory = Directory::default();
    facts.into_iter().for_each(|fact| directory.apply(fact));
    let exchange = exchange("");
    let trace = Untraced::at_most(1).begin(&exchange).unwrap();
    let sides = sides(&exchange);
    let mut detail = DetailChoice::default();
    detail.set_detail(Detail::Hop);
    let spans = with_context(|context| {
        let context = Context {
            directory: &directory,
            service_name,
            ..*context
        };
        NamedExchange::new(&exchange, &sides, &context).spans(trace, 0, &mut detail)
    });
    let (hops, paths): (Vec<&Span>, Vec<&Span>) = spans
        .iter()
        .partition(|span| attribute(span, "hopspan.role") == "hop");
    let lines: Vec<String> = paths
        .iter()
        .map(|span| {
            let name = span.workload.as_deref().unwrap_or("-");
            format!("{}: {name}", attribute(span, "hopspan.role"))
        })
        .collect();
    assert_eq!(lines, expected);
    assert!(!hops.is_empty());
    for hop in hops {
        let is_parent = |span: &&&Span| span.span_id == hop.parent_id;
        let path = paths.iter().find(is_parent).unwrap();
        assert_eq!(hop.workload, path.workload);
    }
}

fn both_pods() -> Vec<Fact> {
    vec![
        pod("frontend-1", "10.201.1.99", Some("frontend")),
        pod("web-1", "10.201.1.12", None),
    ]
}

#[test]
fn by_default_all_spans_are_those_of_the_agent() {
    let expected = ["exchange: -", "connect: -", "request: -", "response: -"];
    check(ServiceName::Hopspan, both_pods(), &expected);
}

#[test]
fn each_path_is_that_of_the_workload_that_begins_it() {
    let expected = [
        "exchange: frontend",
        "connect: frontend",
        "request: frontend",
        "response: web-1",
    ];
    check(ServiceName::Workload, both_pods(), &expected);
}

#[test]
fn where_no_name_is_known_it_is_that_of_the_agent() {
    let expected = ["exchange: -", "connect: -", "request: -", "response: web-1"];
    check(ServiceName::Workload, both_pods().split_off(1), &expected);
}
