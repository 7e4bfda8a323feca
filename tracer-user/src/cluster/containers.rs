//! The pods of this node as its cgroup tree and /proc tell them: uids, containers, network
//! namespaces, addresses, and since when.
//!
//! In: the cgroup tree, /proc. Out: facts, whenever something has changed. Needs no API, and knows the
//! start and the end of a pod sooner and better than the API does; knows no names but the
//! kubelet's.

mod addresses;
mod changes;
mod process;
mod tree;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::IpAddr,
    path::PathBuf,
    thread,
    time::Duration,
};

use nix::{ifaddrs::getifaddrs, time::ClockId};
use tokio::sync::mpsc;
use tracer_pipeline::decode::{
    Fact,
    fact::{CgroupFact, NodeFact, SandboxFact},
};

use changes::Changes;
use tree::Found;

/// How often the tree is read though nobody said that it changed: cgroups that a container makes
/// are not watched, and the first pod may be where nothing was.
const PERIOD: Duration = Duration::from_secs(10);
/// How soon a pod is looked at again whose processes have not all been found: a runtime may give a
/// namespace its address after its first process.
const SOON: Duration = Duration::from_millis(200);
/// How often soon.
const SOON_TIMES: u32 = 10;

/// Starts a thread that reads the tree below `root` and tells what has changed, the first time
/// everything. Where the channel is full it waits. It ends with the receiver.
///
/// # Errors
///
/// When there can be no more threads.
pub fn watch(root: PathBuf, node: String) -> io::Result<mpsc::Receiver<Vec<Fact>>> {
    let (sender, facts) = mpsc::channel(4);
    thread::Builder::new()
        .name("containers".into())
        .spawn(move || Watch::new(root, node).run(&sender))?;
    Ok(facts)
}

/// What was told so far.
#[derive(Debug)]
struct Watch {
    roots: Vec<Root>,
    node: NodeFact,
    netns: Option<u32>,
    cgroups: HashSet<u64>,
    pods: HashMap<String, Pod>,
    is_cut: bool,
}

/// A hierarchy in which pods may be.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// Sockets have the ids of its cgroups.
    is_v2: bool,
}

#[derive(Debug, Default)]
struct Pod {
    /// Told, with its addresses.
    is_settled: bool,
    looked: u32,
    told: Option<SandboxFact>,
}

impl Watch {
    fn new(root: PathBuf, node: String) -> Self {
        let mut roots = vec![Root {
            path: root,
            is_v2: true,
        }];
        roots.extend(v1_mount().map(|path| Root { path, is_v2: false }));
        Self {
            roots,
            node: NodeFact {
                name: node,
                addresses: Vec::new(),
            },
            netns: process::own_netns(),
            cgroups: HashSet::new(),
            pods: HashMap::new(),
            is_cut: false,
        }
    }

    fn run(mut self, sender: &mpsc::Sender<Vec<Fact>>) {
        let late = |error: &io::Error| {
            let seconds = PERIOD.as_secs();
            tracing::warn!("new pods are noticed up to {seconds} s late: {error}");
        };
        let mut changes = Changes::listen().inspect_err(late).ok();
        // The first time also nothing is told: the start waits for it.
        let mut is_first = true;
        loop {
            let (facts, parents) = self.scan(now_ns());
            let is_told = std::mem::take(&mut is_first) || !facts.is_empty();
            if is_told && sender.blocking_send(facts).is_err() {
                return;
            }
            let is_open = |pod: &Pod| !pod.is_settled && pod.looked < SOON_TIMES;
            let wait = if self.pods.values().any(is_open) {
                SOON
            } else {
                PERIOD
            };
            match &mut changes {
                Some(listening) => {
                    listening.watch(parents);
                    if let Err(error) = listening.wait(wait) {
                        late(&error);
                        changes = None;
                    }
                }
                None => thread::sleep(wait),
            }
        }
    }

    /// Reads everything; what has changed, and the directories to watch.
    fn scan(&mut self, now_ns: u64) -> (Vec<Fact>, Vec<PathBuf>) {
        let mut facts = Vec::new();
        self.scan_node(&mut facts);
        let mut parents = Vec::new();
        let mut found = Vec::new();
        let mut is_v2 = true;
        for root in &self.roots {
            let tree = match tree::walk(&root.path) {
                Ok(tree) => tree,
                Err(error) => {
                    tracing::debug!("read {}: {error}", root.path.display());
                    continue;
                }
            };
            if tree.is_cut && !std::mem::replace(&mut self.is_cut, true) {
                tracing::warn!(
                    "{} has too many cgroups: not all are known",
                    root.path.display()
                );
            }
            parents.extend(tree.parents);
            // Where the kubelet uses cgroup v1, the v2 tree has no pods.
            if !tree.found.is_empty() {
                (found, is_v2) = (tree.found, root.is_v2);
                break;
            }
        }
        if is_v2 {
            self.scan_cgroups(&found, now_ns, &mut facts);
        }
        self.scan_pods(&found, now_ns, &mut facts);
        (facts, parents)
    }

    fn scan_node(&mut self, facts: &mut Vec<Fact>) {
        let addresses = own_addresses();
        if self.node.addresses != addresses {
            self.node.addresses = addresses;
            facts.push(Fact::Node(self.node.clone()));
        }
    }

    fn scan_cgroups(&mut self, found: &[Found], now_ns: u64, facts: &mut Vec<Fact>) {
        let mut seen = HashSet::with_capacity(found.len());
        for Found { inode, cgroup, .. } in found {
            seen.insert(*inode);
            if self.cgroups.insert(*inode) {
                facts.push(Fact::Cgroup(CgroupFact {
                    id: *inode,
                    pod_uid: cgroup.pod_uid.clone(),
                    container_id: cgroup.container_id.clone(),
                }));
            }
        }
        self.cgroups.retain(|id| {
            let is_there = seen.contains(id);
            if !is_there {
                facts.push(Fact::CgroupGone {
                    id: *id,
                    at_ns: now_ns,
                });
            }
            is_there
        });
    }

    fn scan_pods(&mut self, found: &[Found], now_ns: u64, facts: &mut Vec<Fact>) {
        let mut cgroups: HashMap<&str, Vec<&Found>> = HashMap::new();
        for found in found {
            let of_pod = cgroups.entry(&found.cgroup.pod_uid).or_default();
            of_pod.push(found);
        }
        for (uid, cgroups) in &cgroups {
            let pod = self.pods.entry((*uid).to_owned()).or_default();
            if pod.is_settled {
                continue;
            }
            pod.looked = pod.looked.saturating_add(1);
            let Some(sandbox) = sandbox(uid, cgroups, self.netns, &self.node.addresses) else {
                continue;
            };
            pod.is_settled = sandbox.host_network || !sandbox.addresses.is_empty();
            if pod.told.as_ref() != Some(&sandbox) {
                facts.push(Fact::Sandbox(sandbox.clone()));
                pod.told = Some(sandbox);
            }
        }
        self.pods.retain(|uid, _| {
            let is_there = cgroups.contains_key(uid.as_str());
            if !is_there {
                facts.push(Fact::SandboxGone {
                    pod_uid: uid.clone(),
                    at_ns: now_ns,
                });
            }
            is_there
        });
    }
}

/// What the processes of a pod tell. A pod has one network namespace, whichever of its processes is
/// asked; the oldest tells since when.
fn sandbox(
    uid: &str,
    cgroups: &[&Found],
    node_netns: Option<u32>,
    node_addresses: &[IpAddr],
) -> Option<SandboxFact> {
    let asked = cgroups.iter().map(|found| process::of_cgroup(&found.path));
    let oldest = asked.flatten().min_by_key(|processes| processes.from_ns)?;
    let host_network = match oldest.netns {
        Some(netns) => Some(netns) == node_netns,
        None => oldest
            .addresses
            .iter()
            .any(|address| node_addresses.contains(address)),
    };
    Some(SandboxFact {
        pod_uid: uid.to_owned(),
        netns: oldest.netns.unwrap_or(0),
        host_network,
        addresses: if host_network {
            Vec::new()
        } else {
            oldest.addresses
        },
        from_ns: oldest.from_ns,
    })
}

/// The addresses of this network namespace, which is the node's.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
        })
        .filter(addresses::is_own)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Where cgroup v1 is mounted, by the hierarchy in which systemd and every runtime put processes.
fn v1_mount() -> Option<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|own| own.mountinfo());
    let mut v1 = mounts.ok()?.0.into_iter().filter(|mount| {
        let options = &mount.super_options;
        mount.fs_type == "cgroup"
            && (options.contains_key("pids") || options.contains_key("memory"))
    });
    v1.next().map(|mount| mount.mount_point)
}

fn now_ns() -> u64 {
    nix::time::clock_gettime(ClockId::CLOCK_MONOTONIC)
        .ok()
        .and_then(|now| u64::try_from(Duration::from(now).as_nanos()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, path::Path};

    use super::*;

    const UID: &str = "2d48a1cf-9f8d-4b0e-8a6e-5b1c7e2a9d31";

    fn watch_of(root: &Path) -> Watch {
        let mut watch = Watch::new(root.to_owned(), "node-1".into());
        watch.roots.truncate(1);
        watch
    }

    /// The test's own process stands for a container in the node's namespace.
    #[test]
    fn a_pod_is_told_once_and_its_end_too() {
        let root = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let pod = root.path().join(format!("kubepods/pod{UID}"));
        let container = pod.join(&id);
        std::fs::create_dir_all(&container).unwrap();
        let mut watch = watch_of(root.path());

        let (facts, parents) = watch.scan(1);
        let cgroups: Vec<&CgroupFact> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Cgroup(cgroup) => Some(cgroup),
                _ => None,
            })
            .collect();
        assert_eq!(cgroups.len(), 2);
        assert!(cgroups.iter().all(|cgroup| cgroup.pod_uid == UID));
        let with_id = |cgroup: &&&CgroupFact| cgroup.container_id.as_deref() == Some(&*id);
        let told = cgroups.iter().find(with_id).unwrap();
        assert_eq!(told.id, std::fs::metadata(&container).unwrap().ino());
        assert!(parents.contains(&pod));

        // It has no process yet.
        assert_eq!(watch.scan(2).0, []);
        let procs = std::process::id().to_string();
        std::fs::write(container.join("cgroup.procs"), procs).unwrap();
        let (facts, _) = watch.scan(3);
        let [Fact::Sandbox(sandbox)] = &facts[..] else {
            panic!("{facts:?}");
        };
        assert!(sandbox.host_network && sandbox.addresses.is_empty());
        assert_eq!(Some(sandbox.netns), watch.netns);
        assert_eq!(watch.scan(4).0, []);

        std::fs::remove_dir_all(&pod).unwrap();
        let (facts, _) = watch.scan(5);
        assert_eq!(facts.len(), 3, "{facts:?}");
        let gone = Fact::SandboxGone {
            pod_uid: UID.to_owned(),
            at_ns: 5,
        };
        assert!(facts.contains(&gone));
        assert_eq!(watch.scan(6).0, []);
    }

    #[test]
    fn a_root_that_is_not_there_is_no_end() {
        let mut watch = watch_of(Path::new("/nowhere"));
        let (facts, parents) = watch.scan(1);
        assert!(facts.iter().all(|fact| matches!(fact, Fact::Node(_))));
        assert!(parents.is_empty());
    }
}
