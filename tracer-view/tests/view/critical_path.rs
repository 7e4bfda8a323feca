//! Trees to the split of their time: numbers computed by hand.

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use tracer_semconv::{HopName, Role};
use tracer_view::critical_path::CriticalPath;
use tracer_view::tree::Tree;

use crate::decoded::{WIDE, store};
use crate::fixture::dispatch::dispatch;
use crate::fixture::{SpanBuilder, application, data_plane, hop_span, role_span, span};

/// Microseconds of application and data plane.
fn check(app: Vec<OtlpSpan>, net: Vec<OtlpSpan>, expected: [u64; 2]) {
    let store = store(&[application("a", app), data_plane(net)], WIDE);
    let trace = store.traces().next().unwrap();
    let tree = Tree::new(&trace.spans);
    let split = CriticalPath::of(&tree).split(&tree);
    let found = [split.application_ns, split.data_plane_ns].map(|ns| ns / 1_000);
    assert_eq!(found, expected);
    assert_eq!(
        split.application_ns + split.data_plane_ns,
        tree.duration_ns()
    );
}

/// The client 0 to 100, with what is between its paths.
fn client(mut rest: Vec<OtlpSpan>) -> Vec<OtlpSpan> {
    rest.push(span(1, 0, "client", 0, 100));
    rest
}

fn path(id: u64, role: Role, start: u64, duration: u64) -> OtlpSpan {
    role_span(id, 1, role, start, duration).exchange(9)
}

#[test]
fn paths_beside_the_server_are_the_data_plane() {
    let paths = || {
        vec![
            path(2, Role::Request, 5, 20),
            path(3, Role::Response, 80, 15),
        ]
    };
    check(client(vec![]), vec![], [100, 0]);
    check(client(vec![]), paths(), [65, 35]);
    check(
        client(vec![span(4, 1, "server", 25, 55)]),
        paths(),
        [65, 35],
    );
    // A server's span that ends behind its send takes nothing from the response.
    check(
        client(vec![span(4, 1, "server", 25, 60)]),
        paths(),
        [65, 35],
    );
    // A call in the server.
    let mut nested = paths();
    nested.push(role_span(5, 4, Role::Request, 30, 10).exchange(8));
    check(client(vec![span(4, 1, "server", 25, 60)]), nested, [55, 45]);
}

/// It is beside the server's span that waited for it.
#[test]
fn a_failed_connect_is_the_data_plane() {
    let app = client(vec![
        span(4, 1, "server", 25, 60),
        span(5, 4, "call", 30, 50),
    ]);
    let failed = role_span(6, 1, Role::Connect, 35, 40);
    check(app.clone(), vec![failed], [60, 40]);
    // One that lasted longer than every call.
    check(app, vec![role_span(6, 1, Role::Connect, 30, 70)], [30, 70]);
}

#[test]
fn calls_side_by_side_count_once() {
    let both = vec![
        path(2, Role::Request, 10, 50),
        path(3, Role::Request, 20, 50),
    ];
    check(client(vec![]), both, [40, 60]);
}

#[test]
fn a_body_and_time_between_roots_are_no_data_plane() {
    let response = vec![
        path(2, Role::Response, 40, 50),
        hop_span(3, 2, HopName::Veth, 40, 20),
        hop_span(4, 2, HopName::Body, 60, 30),
    ];
    check(client(vec![]), response, [80, 20]);
    let orphans = vec![
        role_span(2, 77, Role::Request, 0, 10).exchange(9),
        role_span(3, 77, Role::Response, 40, 20).exchange(9),
    ];
    check(vec![], orphans, [30, 30]);
    let exchange = vec![
        role_span(1, 0, Role::Exchange, 0, 60).exchange(9),
        path(2, Role::Request, 0, 10),
        path(3, Role::Response, 40, 20),
    ];
    check(vec![], exchange, [30, 30]);
}

#[test]
fn the_path_of_a_dispatch_is_its_whole_time() {
    for n in 1..20 {
        let store = store(&dispatch(n), WIDE);
        let trace = store.traces().next().unwrap();
        let tree = Tree::new(&trace.spans);
        let path = CriticalPath::of(&tree);
        let split = path.split(&tree);
        assert!(split.data_plane_ns > 100_000, "{split:?}");
        let all = path.with_descendants(&tree);
        assert_eq!(all[tree.roots[0]], tree.duration_ns());
        assert_eq!(
            split.application_ns + split.data_plane_ns,
            tree.duration_ns()
        );
    }
}

/// As deep as a sender likes, and spans without times.
#[test]
fn hostile_trees_have_a_path() {
    let mut chain: Vec<OtlpSpan> = (1..=100_000)
        .map(|id| span(id, id - 1, "x", 0, 50))
        .collect();
    chain[7].start_time_unix_nano = 0;
    check(chain, vec![], [50, 0]);
    let mut backwards = span(1, 0, "x", 10, 0);
    backwards.end_time_unix_nano -= 5_000;
    check(vec![backwards], vec![], [0, 0]);
}
