//! The workload of a pod, from its owner or from its name.
//!
//! In: `metadata.ownerReferences`, labels, names. Out: a workload. The owner's own owner is derived
//! from the conventions by which Kubernetes' controllers make names; reading it would take a watch
//! of every ReplicaSet and Job of the cluster on each node.

use tracer_pipeline::decode::fact::{Workload, WorkloadKind};

/// `k8s.io/apimachinery/pkg/util/rand`: the letters of generated names, without vowels and similar
/// digits.
const SAFE_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The letters that the API server appends to `metadata.generateName`
/// (`k8s.io/apiserver/pkg/storage/names`).
const GENERATED_LETTERS: usize = 5;
/// A pod template's hash is a 32-bit number in decimal digits, each replaced by a letter; 99.8% of
/// hashes have 8 to 10. A part with fewer letters is more likely chosen by a person.
const HASH_LETTERS: std::ops::RangeInclusive<usize> = 8..=10;
/// A CronJob names a Job after itself and the minutes since 1970 at which it was due
/// (`pkg/controller/cronjob`, `getJobName`): eight digits from 1989 to 2160.
const MINUTES_DIGITS: usize = 8;

/// The controller in `metadata.ownerReferences`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    /// The controller's kind.
    pub kind: &'a str,
    /// The controller's name.
    pub name: &'a str,
}

/// The workload of a pod whose controller is `owner`; `template_hash` is the pod's label
/// `pod-template-hash`, which only a Deployment's ReplicaSets set.
///
/// `None` for other owners, such as the node that owns a mirror pod, and custom resources.
pub(super) fn of_owner(owner: Owner<'_>, template_hash: Option<&str>) -> Option<Workload> {
    let (kind, name) = match owner.kind {
        "ReplicaSet" => match template_hash.and_then(|hash| without_suffix(owner.name, hash)) {
            Some(deployment) => (WorkloadKind::Deployment, deployment),
            None => (WorkloadKind::ReplicaSet, owner.name),
        },
        "Job" => match of_cron_job(owner.name) {
            Some(cron_job) => (WorkloadKind::CronJob, cron_job),
            None => (WorkloadKind::Job, owner.name),
        },
        "StatefulSet" => (WorkloadKind::StatefulSet, owner.name),
        "DaemonSet" => (WorkloadKind::DaemonSet, owner.name),
        _ => return None,
    };
    Some(Workload {
        kind,
        name: name.to_owned(),
    })
}

/// The workload of a pod, from the names `pod` and `hostname` of an EndpointSlice.
///
/// The name of a Deployment's pod has two generated parts; the name of a StatefulSet's pod is its
/// host name too, and ends in a number. `None` for a name with one generated part, which may be a
/// DaemonSet's or a Job's.
pub(super) fn of_name(pod: &str, hostname: Option<&str>) -> Option<Workload> {
    let (rest, last) = pod.rsplit_once('-')?;
    let is_ordinal = !last.is_empty() && last.bytes().all(|letter| letter.is_ascii_digit());
    if is_ordinal && hostname == Some(pod) {
        return Some(Workload {
            kind: WorkloadKind::StatefulSet,
            name: rest.to_owned(),
        });
    }
    let (deployment, hash) = rest.rsplit_once('-')?;
    let is_deployment = last.len() == GENERATED_LETTERS
        && is_generated(last)
        && HASH_LETTERS.contains(&hash.len())
        && is_generated(hash)
        && !deployment.is_empty();
    is_deployment.then(|| Workload {
        kind: WorkloadKind::Deployment,
        name: deployment.to_owned(),
    })
}

fn of_cron_job(job: &str) -> Option<&str> {
    let (cron_job, minutes) = job.rsplit_once('-')?;
    let is_minutes =
        minutes.len() == MINUTES_DIGITS && minutes.bytes().all(|letter| letter.is_ascii_digit());
    (is_minutes && !cron_job.is_empty()).then_some(cron_job)
}

fn without_suffix<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let rest = name.strip_suffix(suffix)?.strip_suffix('-')?;
    (!suffix.is_empty() && !rest.is_empty()).then_some(rest)
}

fn is_generated(part: &str) -> bool {
    part.bytes().all(|letter| SAFE_LETTERS.contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, ReplicaSet, StatefulSet};

    fn owned(kind: &str, name: &str, hash: Option<&str>, expected: Option<(WorkloadKind, &str)>) {
        let workload = of_owner(Owner { kind, name }, hash);
        let found = workload
            .as_ref()
            .map(|workload| (workload.kind, workload.name.as_str()));
        assert_eq!(found, expected, "{kind} {name} {hash:?}");
    }

    #[test]
    fn owners_are_the_workload_or_lead_to_it() {
        owned(
            "ReplicaSet",
            "web-5d4f8c7b9d",
            Some("5d4f8c7b9d"),
            Some((Deployment, "web")),
        );
        // Of no Deployment, or of a controller that is not Kubernetes' own.
        for hash in [None, Some(""), Some("other"), Some("web-5d4f8c7b9d")] {
            owned(
                "ReplicaSet",
                "web-5d4f8c7b9d",
                hash,
                Some((ReplicaSet, "web-5d4f8c7b9d")),
            );
        }
        owned("StatefulSet", "db", None, Some((StatefulSet, "db")));
        owned("DaemonSet", "agent", None, Some((DaemonSet, "agent")));
        owned("Job", "backup-29401234", None, Some((CronJob, "backup")));
        owned("Job", "backup-1", None, Some((Job, "backup-1")));
        owned("Job", "-29401234", None, Some((Job, "-29401234")));
        owned("Node", "node-1", None, None);
        owned("Rollout", "web", None, None);
    }

    fn named(pod: &str, hostname: Option<&str>, expected: Option<(WorkloadKind, &str)>) {
        let workload = of_name(pod, hostname);
        let found = workload
            .as_ref()
            .map(|workload| (workload.kind, workload.name.as_str()));
        assert_eq!(found, expected, "{pod} {hostname:?}");
    }

    #[test]
    fn names_that_only_one_controller_makes() {
        named("web-5d4f8c7b9d-x2x4v", None, Some((Deployment, "web")));
        named(
            "my-web-fe-68c5b79c84-9tktj",
            None,
            Some((Deployment, "my-web-fe")),
        );
        named("db-0", Some("db-0"), Some((StatefulSet, "db")));
        named("db-12", Some("db-12"), Some((StatefulSet, "db")));
        // A DaemonSet's, a Job's, a bare pod, and names that look alike.
        for pod in [
            "agent-x2x4v",
            "db-0",
            "web",
            "",
            "-",
            "--",
            "-5d4f8c7b9d-x2x4v",
            "web-frontend-x2x4v",
            "web-5d4f8c7b9d-x2x4",
            "web-5d4-x2x4v",
            "web-5d4f8c7b9de-x2x4v",
        ] {
            named(pod, None, None);
        }
        named("db-0", Some("other"), None);
    }
}
