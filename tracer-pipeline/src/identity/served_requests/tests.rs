//! Correlation of failed connects with the requests that were being served when they began.

use super::*;
use crate::{
    decode::{
        Fact, Tuple,
        fact::{CgroupFact, PodFact},
    },
    http::trace_context::{SpanId, TraceContext, TraceId},
};

const MS: u64 = 1_000_000;
/// The connect's process and cgroup.
const TGID: u32 = 7;
const CGROUP: u64 = 70;

/// A request, by its number, that a process of a cgroup serves from `from_ns` to `until_ns`.
fn served(number: u8, tgid: u32, cgroup: u64, from_ns: u64, until_ns: Option<u64>) -> Served {
    Served {
        trace: TraceContext {
            trace_id: TraceId([number; 16]),
            parent_id: SpanId([number; 8]),
            flags: 1,
        },
        tracestate: None,
        request_seq: number.into(),
        tgid: Some(tgid),
        cgroup,
        from_ns,
        until_ns,
    }
}

fn failed(began_ns: u64) -> decode::FailedConnect {
    decode::FailedConnect {
        cookie: 1,
        began_ns,
        at_ns: began_ns + 500 * MS,
        error: None,
        tgid: TGID,
        cgroup: CGROUP,
        sent: Tuple {
            source: ([10, 0, 0, 1], 1).into(),
            destination: ([10, 0, 0, 2], 2).into(),
        },
    }
}

fn past(serving: &mut ServedRequests, number: u8, tgid: u32, from_ms: u64, until_ms: u64) {
    let served = served(number, tgid, CGROUP, from_ms * MS, Some(until_ms * MS));
    serving.push_finished(served, until_ms * MS);
}

/// `one N`, `of N, N` or `none`.
fn found(
    serving: &ServedRequests,
    open: &[Served],
    directory: &Directory,
    began_ns: u64,
) -> String {
    let number = |served: &Served| served.request_seq.to_string();
    match serving.correlate(&failed(began_ns), open, directory) {
        Correlation::None => "none".to_owned(),
        Correlation::Inferred(served) => format!("one {}", number(&served)),
        Correlation::Ambiguous(all) => {
            let numbers: Vec<String> = all.iter().map(number).collect();
            format!("of {}", numbers.join(", "))
        }
    }
}

fn check(open: &[Served], expected: &str) {
    let found = found(
        &ServedRequests::default(),
        open,
        &Directory::default(),
        100 * MS,
    );
    assert_eq!(found, expected, "{open:#?}");
}

#[test]
fn no_candidate_one_and_several() {
    let own = |number| served(number, TGID, CGROUP, 50 * MS, None);
    check(&[], "none");
    check(&[own(1)], "one 1");
    check(&[own(2), own(1)], "of 1, 2");
    check(&[served(1, 8, 80, 50 * MS, None)], "none");
}

#[test]
fn the_process_decides_before_the_pod() {
    let own = served(1, TGID, CGROUP, 50 * MS, None);
    let of_pod = |number| served(number, 8, CGROUP, 50 * MS, None);
    check(&[own.clone(), of_pod(2), of_pod(3)], "one 1");
    check(&[of_pod(2)], "one 2");
    check(&[of_pod(2), of_pod(3)], "of 2, 3");
    // An old recording, whose read records lack the process.
    let unknown = Served { tgid: None, ..own };
    check(&[unknown], "one 1");
}

#[test]
fn only_requests_open_when_the_connect_began_are_candidates() {
    let during = |from_ms: u64, until_ms: Option<u64>| {
        let until_ns = until_ms.map(|until| until * MS);
        served(1, TGID, CGROUP, from_ms * MS, until_ns)
    };
    check(&[during(101, None)], "none");
    check(&[during(100, None)], "one 1");
    check(&[during(50, Some(100))], "none");
    check(&[during(50, Some(101))], "one 1");
}

/// A failed connect is reported half a second after its end, and may take two minutes to fail.
#[test]
fn requests_finished_since_the_connect_began_are_candidates() {
    let mut serving = ServedRequests::default();
    past(&mut serving, 1, TGID, 10, 90);
    past(&mut serving, 2, TGID, 50, 150);
    past(&mut serving, 3, 8, 10, 140);
    let directory = Directory::default();
    assert_eq!(found(&serving, &[], &directory, 100 * MS), "one 2");
    assert_eq!(found(&serving, &[], &directory, 60 * MS), "of 1, 2");
    serving.set_now(KEEP_NS + 91 * MS);
    assert_eq!(found(&serving, &[], &directory, 100 * MS), "one 2");
    // A request that was open then has been removed, so request 2 may not be the only candidate.
    assert_eq!(found(&serving, &[], &directory, 60 * MS), "of 2");
    serving.set_now(u64::MAX);
    assert_eq!(found(&serving, &[], &directory, 60 * MS), "none");
    assert!(serving.finished.is_empty());
}

#[test]
fn containers_of_one_pod_are_one() {
    let mut directory = Directory::default();
    let open = [served(1, 8, 71, 50 * MS, None)];
    let serving = ServedRequests::default();
    assert_eq!(found(&serving, &open, &directory, 100 * MS), "none");
    for id in [CGROUP, 71] {
        directory.apply(Fact::Cgroup(CgroupFact {
            id,
            pod_uid: "uid".into(),
            container_id: Some(format!("container-{id}")),
        }));
    }
    directory.apply(Fact::Pod(PodFact {
        uid: "uid".into(),
        ..PodFact::default()
    }));
    assert_eq!(found(&serving, &open, &directory, 100 * MS), "one 1");
}

#[test]
fn finished_requests_are_bounded() {
    let mut serving = ServedRequests::default();
    for _ in 0..=MAX_SERVED {
        past(&mut serving, 1, TGID, 10, 90);
    }
    assert_eq!(serving.finished.len(), MAX_SERVED);
    assert_eq!(serving.complete_from_ns, 90 * MS);
}
