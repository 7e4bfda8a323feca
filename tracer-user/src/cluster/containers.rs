//! The pods of this node, from its cgroup tree and /proc: uids, containers, network namespaces,
//! addresses and start times.
//!
//! In: the cgroup tree, /proc. Out: facts, after each change. Needs no API, and sees the start and
//! the end of a pod earlier and more exactly than the API shows them. Knows no names but the
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

use crate::capture::now_ns;

use changes::Changes;
use tree::Found;

/// How often the tree is scanned without a notification: cgroups that a container makes are not
/// watched, and the first pod may appear in a directory that is not watched.
const PERIOD: Duration = Duration::from_secs(10);
/// When a pod without addresses is scanned again: a runtime may add the namespace's address after
/// the first process.
const RETRY: Duration = Duration::from_millis(200);
/// How often a pod is scanned after `RETRY`.
const RETRIES: u32 = 10;

/// Starts a thread that scans the tree below `root` and sends facts about changes, at first about
/// all pods. The thread waits when the channel is full, and ends with the receiver.
///
/// # Errors
///
/// When no thread can be started.
pub fn watch(root: PathBuf, node: String) -> io::Result<mpsc::Receiver<Vec<Fact>>> {
    let (sender, facts) = mpsc::channel(4);
    thread::Builder::new()
        .name("containers".into())
        .spawn(move || Scanner::new(root, node).run(&sender))?;
    Ok(facts)
}

/// Scans the tree. Holds its state as sent so far.
#[derive(Debug)]
struct Scanner {
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
    /// It is of cgroup v2: sockets carry the ids of its cgroups.
    is_v2: bool,
}

#[derive(Debug, Default)]
struct Pod {
    /// Its addresses were found and sent.
    is_settled: bool,
    scans: u32,
    sent: Option<SandboxFact>,
}

impl Scanner {
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
        let log_delay = |error: &io::Error| {
            let seconds = PERIOD.as_secs();
            tracing::warn!("new pods are noticed up to {seconds} s late: {error}");
        };
        let mut changes = Changes::listen().inspect_err(log_delay).ok();
        // The first facts are sent even if there are none: the agent's start waits for them.
        let mut is_first = true;
        loop {
            let (facts, parents) = self.scan(monotonic_ns());
            let is_due = std::mem::take(&mut is_first) || !facts.is_empty();
            if is_due && sender.blocking_send(facts).is_err() {
                return;
            }
            let is_open = |pod: &Pod| !pod.is_settled && pod.scans < RETRIES;
            let wait = if self.pods.values().any(is_open) {
                RETRY
            } else {
                PERIOD
            };
            match &mut changes {
                Some(listening) => {
                    listening.watch(parents);
                    if let Err(error) = listening.wait(wait) {
                        log_delay(&error);
                        changes = None;
                    }
                }
                None => thread::sleep(wait),
            }
        }
    }

    /// Scans the tree. Returns facts about changes, and the directories to watch.
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
                    "{} has too many cgroups: pods may be missing",
                    root.path.display()
                );
            }
            parents.extend(tree.parents);
            // If the kubelet uses cgroup v1, the v2 tree has no pods.
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
            pod.scans = pod.scans.saturating_add(1);
            let Some(sandbox) = sandbox(uid, cgroups, self.netns, &self.node.addresses) else {
                continue;
            };
            pod.is_settled = sandbox.host_network || !sandbox.addresses.is_empty();
            if pod.sent.as_ref() != Some(&sandbox) {
                facts.push(Fact::Sandbox(sandbox.clone()));
                pod.sent = Some(sandbox);
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

/// The network namespace, addresses and start time of a pod, from its oldest process. All processes
/// of a pod share the network namespace.
fn sandbox(
    uid: &str,
    cgroups: &[&Found],
    node_netns: Option<u32>,
    node_addresses: &[IpAddr],
) -> Option<SandboxFact> {
    let processes = cgroups.iter().map(|found| process::of_cgroup(&found.path));
    let oldest = processes
        .flatten()
        .min_by_key(|processes| processes.from_ns)?;
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

/// The addresses of this thread's network namespace, which is the node's.
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

/// The mount point of cgroup v1: of a hierarchy in which systemd and every runtime put processes.
fn v1_mount() -> Option<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|own| own.mountinfo());
    let mut v1 = mounts.ok()?.0.into_iter().filter(|mount| {
        let options = &mount.super_options;
        mount.fs_type == "cgroup"
            && (options.contains_key("pids") || options.contains_key("memory"))
    });
    v1.next().map(|mount| mount.mount_point)
}

fn monotonic_ns() -> u64 {
    now_ns(ClockId::CLOCK_MONOTONIC).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, path::Path};

    use super::*;

    const UID: &str = "2d48a1cf-9f8d-4b0e-8a6e-5b1c7e2a9d31";

    fn scanner_of(root: &Path) -> Scanner {
        let mut scanner = Scanner::new(root.to_owned(), "node-1".into());
        scanner.roots.truncate(1);
        scanner
    }

    /// The test's own process is the container, in the node's namespace.
    #[test]
    fn a_pod_and_its_end_are_sent_once() {
        let root = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let pod = root.path().join(format!("kubepods/pod{UID}"));
        let container = pod.join(&id);
        std::fs::create_dir_all(&container).unwrap();
        let mut scanner = scanner_of(root.path());

        let (facts, parents) = scanner.scan(1);
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
        let found = cgroups.iter().find(with_id).unwrap();
        assert_eq!(found.id, std::fs::metadata(&container).unwrap().ino());
        assert!(parents.contains(&pod));

        // The pod has no process yet.
        assert_eq!(scanner.scan(2).0, []);
        let procs = std::process::id().to_string();
        std::fs::write(container.join("cgroup.procs"), procs).unwrap();
        let (facts, _) = scanner.scan(3);
        let [Fact::Sandbox(sandbox)] = &facts[..] else {
            panic!("{facts:?}");
        };
        assert!(sandbox.host_network && sandbox.addresses.is_empty());
        assert_eq!(Some(sandbox.netns), scanner.netns);
        assert_eq!(scanner.scan(4).0, []);

        std::fs::remove_dir_all(&pod).unwrap();
        let (facts, _) = scanner.scan(5);
        assert_eq!(facts.len(), 3, "{facts:?}");
        let gone = Fact::SandboxGone {
            pod_uid: UID.to_owned(),
            at_ns: 5,
        };
        assert!(facts.contains(&gone));
        assert_eq!(scanner.scan(6).0, []);
    }

    #[test]
    fn a_missing_root_ends_nothing() {
        let mut scanner = scanner_of(Path::new("/nowhere"));
        let (facts, parents) = scanner.scan(1);
        assert!(facts.iter().all(|fact| matches!(fact, Fact::Node(_))));
        assert!(parents.is_empty());
    }
}
