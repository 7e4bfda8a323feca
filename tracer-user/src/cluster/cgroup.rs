//! The pod and container of a cgroup, by the names that the kubelet and the container runtimes
//! give.
//!
//! In: a cgroup's path. Out: the pod's uid and the container's id. Does no I/O.
//!
//! The forms, with `Q` for `burstable` or `besteffort` (Guaranteed pods have no such part) and `U`
//! for the uid. Any path may precede them: the kubelet's `--cgroup-root`, or the container that is
//! a node of kind or minikube.
//!
//! ```text
//! cgroupfs driver   kubepods/Q/podU/ID                                                 containerd, Docker
//!                   kubepods/Q/podU/crio-ID                                            CRI-O
//! systemd driver    kubepods.slice/kubepods-Q.slice/kubepods-Q-podU.slice/cri-containerd-ID.scope
//!                   .../docker-ID.scope   .../crio-ID.scope                            (U with _ for -)
//! mismatched        system.slice/containerd.service/kubepods-Q-podU.slice:cri-containerd:ID
//! ```
//!
//! kubernetes: pkg/kubelet/cm/cgroup_manager_linux.go (`escapeSystemdCgroupName`),
//! pkg/kubelet/cm/pod_container_manager_linux.go (`podCgroupNamePrefix`).

/// The prefixes that runtimes put before the id in the name of a scope.
const SCOPE_PREFIXES: [&str; 4] = ["cri-containerd-", "crio-", "docker-", "libpod-"];
/// The hexadecimal digits of a container's id: 256 bits.
const ID_DIGITS: usize = 64;
/// The hexadecimal digits of the MD5 digest that is a static pod's uid.
const STATIC_UID_DIGITS: usize = 32;

/// A cgroup of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodCgroup {
    /// The pod's uid with dashes; for a static pod the digest of its manifest.
    pub pod_uid: String,
    /// `None` for the pod's own cgroup, and for cgroups in it that are no containers.
    pub container_id: Option<String>,
}

impl PodCgroup {
    /// Parses an absolute or relative path. `None` if the cgroup belongs to no pod.
    ///
    /// Cgroups below a container's belong to the container.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let mut below_kubepods = false;
        let pod_uid = parts.by_ref().find_map(|part| {
            if let Some((slice, runtime_and_id)) = part.split_once(':') {
                // The mismatched form: this part names the container too.
                let pod_uid = slice_uid(slice)?;
                let id = runtime_and_id.rsplit(':').next().and_then(container_id);
                return Some((pod_uid, id));
            }
            let pod_uid = slice_uid(part).or_else(|| {
                below_kubepods
                    .then(|| part.strip_prefix("pod"))
                    .flatten()
                    .and_then(uid)
            });
            below_kubepods |= part == "kubepods";
            Some((pod_uid?, None))
        });
        let (pod_uid, id_in_slice) = pod_uid?;
        Some(Self {
            pod_uid,
            container_id: id_in_slice.or_else(|| parts.next().and_then(container_id)),
        })
    }
}

/// Whether a directory of this name contains pods: `kubepods`, `kubepods.slice`, and with the
/// kubelet's `--cgroup-root` before it, `kubelet-kubepods.slice`.
pub(super) fn leads_to_pods(name: &str) -> bool {
    name == "kubepods" || slice_name(name).is_some()
}

/// `kubepods-burstable-podU` of `kubelet-kubepods-burstable-podU.slice`.
fn slice_name(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".slice")?;
    let at = name.find("kubepods")?;
    let is_whole = at == 0 || name[..at].ends_with('-');
    is_whole.then(|| &name[at..])
}

/// The uid from the name of a pod's slice.
fn slice_uid(part: &str) -> Option<String> {
    let name = slice_name(part)?;
    let (_, escaped) = name.rsplit_once("-pod")?;
    uid(&escaped.replace('_', "-"))
}

/// A UUID (RFC 9562 section 4), or a static pod's digest.
fn uid(text: &str) -> Option<String> {
    let groups = [8, 4, 4, 4, 12];
    let is_uuid = text.split('-').map(str::len).eq(groups) && is_hex(&text.replace('-', ""));
    let is_digest = text.len() == STATIC_UID_DIGITS && is_hex(text);
    (is_uuid || is_digest).then(|| text.to_owned())
}

/// The id from the name of a container's cgroup. `None` for CRI-O's `crio-conmon-ID`, the monitor
/// of a container.
fn container_id(part: &str) -> Option<String> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let id = SCOPE_PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    (id.len() == ID_DIGITS && is_hex(id)).then(|| id.to_owned())
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "2d48a1cf-9f8d-4b0e-8a6e-5b1c7e2a9d31";
    const ESCAPED: &str = "2d48a1cf_9f8d_4b0e_8a6e_5b1c7e2a9d31";
    const DIGEST: &str = "8c9f0d2b5e7a41c3a6b8d0e2f4a6c8e0";

    fn check(path: &str, expected: Option<(&str, bool)>) {
        let id = "0123456789abcdef".repeat(4);
        let path = path
            .replace("{U}", UID)
            .replace("{E}", ESCAPED)
            .replace("{D}", DIGEST)
            .replace("{ID}", &id);
        let expected = expected.map(|(uid, has_container)| PodCgroup {
            pod_uid: uid.to_owned(),
            container_id: has_container.then_some(id),
        });
        assert_eq!(PodCgroup::parse(&path), expected, "{path}");
    }

    #[test]
    fn every_driver_runtime_and_class_is_parsed() {
        let container = Some((UID, true));
        for class in ["", "burstable/", "besteffort/"] {
            check(&format!("/kubepods/{class}pod{{U}}/{{ID}}"), container);
            check(&format!("/kubepods/{class}pod{{U}}/crio-{{ID}}"), container);
            check(&format!("/kubepods/{class}pod{{U}}"), Some((UID, false)));
        }
        for (class, slice) in [
            ("", ""),
            ("-burstable", "kubepods-burstable.slice/"),
            ("-besteffort", "kubepods-besteffort.slice/"),
        ] {
            let pod = format!("/kubepods.slice/{slice}kubepods{class}-pod{{E}}.slice");
            check(&pod, Some((UID, false)));
            for runtime in ["cri-containerd", "crio", "docker"] {
                check(&format!("{pod}/{runtime}-{{ID}}.scope"), container);
            }
            check(
                &format!("{pod}/crio-conmon-{{ID}}.scope"),
                Some((UID, false)),
            );
        }
        check(
            "/system.slice/containerd.service/kubepods-burstable-pod{E}.slice:cri-containerd:{ID}",
            container,
        );
    }

    #[test]
    fn directories_around_a_container_do_not_matter() {
        // Nested: systemd in a container, CRI-O's own sub-cgroup.
        check(
            "/kubepods/pod{U}/{ID}/system.slice/nginx.service",
            Some((UID, true)),
        );
        check(
            "/kubepods.slice/kubepods-pod{E}.slice/crio-{ID}.scope/container",
            Some((UID, true)),
        );
        // A node of kind, the kubelet's --cgroup-root, the lab.
        check(
            "/system.slice/docker-{ID}.scope/kubelet.slice/kubelet-kubepods.slice/\
             kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{E}.slice/\
             cri-containerd-{ID}.scope",
            Some((UID, true)),
        );
        check("/kubelet/kubepods/pod{U}/{ID}", Some((UID, true)));
        check(
            "hopspan-lab-1f3a90c2/node-node/kubepods/burstable/pod{U}/{ID}",
            Some((UID, true)),
        );
        check("/kubepods/burstable/pod{D}/{ID}", Some((DIGEST, true)));
    }

    #[test]
    fn other_cgroups_belong_to_no_pod() {
        for path in [
            "",
            "/",
            "/kubepods",
            "/kubepods/burstable",
            "/system.slice/docker-{ID}.scope",
            "/user.slice/pod{U}/{ID}",
            "/kubepods/podx/{ID}",
            "/kubepods/pod2d48a1cf9f8d/{ID}",
            "/kubepods.slice/kubepods-pod.slice/{ID}",
            "/mykubepods-pod{E}.slice/{ID}",
            ":",
        ] {
            check(path, None);
        }
        check("/kubepods/pod{U}/not-a-container", Some((UID, false)));
        check("/kubepods/pod{U}/{ID}0", Some((UID, false)));
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "[/:a-f0-9._-]{0,80}|(/(kubepods|pod|x|.slice|-){0,4}){0,6}") {
            let _ = PodCgroup::parse(&path);
            let _ = leads_to_pods(&path);
        }
    }
}
