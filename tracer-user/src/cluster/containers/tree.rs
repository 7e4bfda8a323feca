//! Walks a cgroup tree to find the cgroups of pods.
//!
//! In: a mount. Out: directories, each with its inode number, pod and container. Bounded in depth
//! and number, because a container may make cgroups itself.

use std::{
    fs, io,
    os::unix::fs::DirEntryExt as _,
    path::{Path, PathBuf},
};

use crate::cluster::cgroup::{PodCgroup, leads_to_pods};

/// The bound of depth. A container's cgroup is at depth 5, or deeper when the node itself is in a
/// cgroup, as with kind and in the lab.
const MAX_DEPTH: usize = 16;
/// The bound of directories in one walk.
const MAX_DIRECTORIES: usize = 32_768;

/// A cgroup of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The directory's inode number, which on a cgroup v2 mount is the cgroup's id.
    pub(super) inode: u64,
    pub(super) cgroup: PodCgroup,
    /// It is the pod's cgroup, which the kubelet makes.
    pub(super) is_pods_own: bool,
}

/// The result of a walk.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) found: Vec<Found>,
    /// Directories in which pods or containers may be made.
    pub(super) parents: Vec<PathBuf>,
    /// The walk reached a bound.
    pub(super) is_cut: bool,
}

/// Walks everything below `root`.
///
/// # Errors
///
/// When `root` itself cannot be read. Directories that are removed during the walk are left out.
pub(super) fn walk(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree {
        parents: vec![root.to_owned()],
        ..Tree::default()
    };
    let mut directories = 0;
    // The root may itself be kubepods, or below it.
    let in_kubepods = root
        .iter()
        .any(|part| part.to_str().is_some_and(leads_to_pods));
    let mut open = vec![(root.to_owned(), 0, in_kubepods)];
    while let Some((directory, depth, in_kubepods)) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            directories += 1;
            if directories > MAX_DIRECTORIES || depth >= MAX_DEPTH {
                tree.is_cut = true;
                continue;
            }
            let path = entry.path();
            let name = entry.file_name();
            let in_kubepods = in_kubepods || name.to_str().is_some_and(leads_to_pods);
            let cgroup = path.to_str().and_then(PodCgroup::parse);
            if let Some(cgroup) = cgroup {
                // The pod's cgroup is the first directory of the path that names the pod.
                let is_pods_own = directory.to_str().and_then(PodCgroup::parse).is_none();
                if is_pods_own {
                    tree.parents.push(path.clone());
                }
                tree.found.push(Found {
                    path: path.clone(),
                    inode: entry.ino(),
                    cgroup,
                    is_pods_own,
                });
            } else if in_kubepods {
                tree.parents.push(path.clone());
            }
            open.push((path, depth + 1, in_kubepods));
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const UID: &str = "2d48a1cf-9f8d-4b0e-8a6e-5b1c7e2a9d31";

    #[test]
    fn pods_and_containers_are_found_from_any_root() {
        let root = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let pod = root.path().join(format!("kubepods/burstable/pod{UID}"));
        fs::create_dir_all(pod.join(&id).join("nested")).unwrap();
        fs::create_dir_all(root.path().join("system.slice/cron.service")).unwrap();
        let tree = walk(root.path()).unwrap();
        let mut found: Vec<(String, bool, bool)> = tree
            .found
            .iter()
            .map(|found| {
                assert_eq!(found.cgroup.pod_uid, UID);
                assert_eq!(found.inode, fs::metadata(&found.path).unwrap().ino());
                let name = found.path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, found.cgroup.container_id.is_some(), found.is_pods_own)
            })
            .collect();
        found.sort();
        let expected = [
            (id, true, false),
            ("nested".to_owned(), true, false),
            (format!("pod{UID}"), false, true),
        ];
        assert_eq!(found, expected);
        // The root, kubepods, burstable and the pod; not the container, not the system's.
        assert_eq!(tree.parents.len(), 4, "{:?}", tree.parents);
        assert!(!tree.is_cut);
        // The same from kubepods on, and from the pod on.
        for (start, expected) in [(root.path().join("kubepods"), 3), (pod, 2)] {
            let tree = walk(&start).unwrap();
            assert_eq!(tree.found.len(), expected, "{}", start.display());
            assert!(tree.found.iter().all(|found| found.cgroup.pod_uid == UID));
        }
    }

    #[test]
    fn a_deep_tree_is_cut() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(walk(root.path()).unwrap().is_cut);
        assert!(walk(&root.path().join("gone")).is_err());
    }
}
