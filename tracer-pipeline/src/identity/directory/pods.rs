//! Pods: names, containers, and the times at which each held its addresses.
//!
//! In: facts about pods from the API, the cgroup tree and EndpointSlices, in any order. Out: pods
//! by uid, by cgroup, and by network namespace or address at a given time.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use crate::decode::fact::{
    CgroupFact, EndpointFact, ObjectName, PodFact, SandboxFact, Workload, WorkloadKind,
};

use super::timeline::Timeline;

/// Bound on pods; the largest cluster that Kubernetes supports has 150,000.
const MAX_PODS: usize = 262_144;
/// Bound on cgroups. A node of 110 pods has some hundreds, more where containers create their own.
const MAX_CGROUPS: usize = 65_536;

/// The known names of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `None` where only its cgroup is known.
    pub namespace: Option<Arc<str>>,
    /// `None` where only its cgroup is known.
    pub name: Option<Arc<str>>,
    /// The owner: Deployment, StatefulSet and the like.
    pub workload: Option<(WorkloadKind, Arc<str>)>,
    /// The node it runs on.
    pub node: Option<Arc<str>>,
    /// `hostNetwork`: the pod has its node's addresses.
    pub host_network: bool,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The container runtime's id.
    pub id: Arc<str>,
    /// `None` until the API names it.
    pub name: Option<Arc<str>>,
}

/// A pod, and the facts about it by source.
#[derive(Debug, Default)]
struct Entry {
    pod: Pod,
    containers: Vec<Container>,
    /// What the API has of the pod; `None` where it has no such pod.
    api: Option<Api>,
    /// The generation of the last list that contained the pod.
    listed: u32,
    sandbox: Option<SandboxFact>,
    /// When its last container ended.
    finished_ns: Option<u64>,
    /// When the API deleted it.
    deleted_ns: Option<u64>,
    /// When its cgroup was removed.
    sandbox_until_ns: Option<u64>,
    /// Number of endpoints that name it.
    endpoints: u32,
    /// When the last source (API, cgroup, endpoint) dropped it.
    unreferenced_ns: Option<u64>,
}

#[derive(Debug, Default)]
struct Api {
    addresses: Vec<IpAddr>,
    from_ns: u64,
}

#[derive(Debug)]
struct Cgroup {
    pod_uid: Arc<str>,
    container_id: Option<Arc<str>>,
    gone_ns: Option<u64>,
}

/// All known pods.
#[derive(Debug, Default)]
pub(super) struct Pods {
    entries: HashMap<Arc<str>, Entry>,
    /// Uids of static pods by the uid that the kubelet uses in their cgroups.
    aliases: HashMap<Arc<str>, Arc<str>>,
    cgroups: HashMap<u64, Cgroup>,
    addresses: Timeline<IpAddr, Arc<str>>,
    namespaces: Timeline<u32, Arc<str>>,
    /// The generation of the current list, or of the last one.
    listing: u32,
    refused: u64,
}

impl Pods {
    pub(super) fn get(&self, uid: &str) -> Option<&Pod> {
        self.entry(uid).map(|entry| &entry.pod)
    }

    /// The pod and the container of a socket's cgroup.
    pub(super) fn by_cgroup(&self, id: u64) -> Option<(&Pod, Option<&Container>)> {
        let cgroup = self.cgroups.get(&id)?;
        let entry = self.entry(&cgroup.pod_uid)?;
        let container = cgroup.container_id.as_ref().and_then(|id| {
            let mut containers = entry.containers.iter();
            containers.find(|container| container.id == *id)
        });
        Some((&entry.pod, container))
    }

    pub(super) fn by_namespace(&self, netns: u32, at_ns: u64) -> Option<&Pod> {
        let uids = self.namespaces.at(netns, at_ns);
        uids.first().and_then(|uid| self.get(uid))
    }

    pub(super) fn by_address(&self, address: IpAddr, at_ns: u64) -> Option<&Pod> {
        let uids = self.addresses.at(address, at_ns);
        uids.first().and_then(|uid| self.get(uid))
    }

    /// Whether the pod had ended by `at_ns`.
    pub(super) fn has_ended(&self, uid: &str, at_ns: u64) -> bool {
        self.entry(uid)
            .and_then(Entry::until_ns)
            .is_some_and(|until_ns| until_ns <= at_ns)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused + self.addresses.refused() + self.namespaces.refused()
    }

    pub(super) fn pod(&mut self, fact: PodFact) {
        let listing = self.listing;
        let Some((uid, entry)) = self.entry_mut(&fact.uid) else {
            return;
        };
        entry.listed = listing;
        entry.pod.host_network = fact.host_network;
        entry.pod.name(&fact.pod, fact.workload);
        entry.pod.node = fact.node.map(Into::into);
        for container in fact.containers {
            entry.container(&container.id, Some(container.name));
        }
        let held = entry.held();
        entry.api = Some(Api {
            addresses: fact.addresses,
            from_ns: fact.from_ns,
        });
        entry.finished_ns = fact.until_ns;
        entry.deleted_ns = None;
        entry.unreferenced_ns = None;
        if let Some(cgroup_uid) = fact.cgroup_uid
            && self.aliases.len() < MAX_PODS
        {
            self.aliases.insert(cgroup_uid.into(), Arc::clone(&uid));
        }
        self.refresh(&uid, &held, fact.from_ns);
    }

    pub(super) fn pod_gone(&mut self, uid: &str, at_ns: u64) {
        let Some((uid, entry)) = self.entries.get_key_value(uid) else {
            return;
        };
        let (uid, held) = (Arc::clone(uid), entry.held());
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.api = None;
            entry.deleted_ns = Some(at_ns);
            entry.note_if_unreferenced(at_ns);
        }
        self.refresh(&uid, &held, at_ns);
    }

    pub(super) fn listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// The list is complete: pods that it did not contain are gone.
    pub(super) fn listed(&mut self, at_ns: u64) {
        let missing = |entry: &Entry| entry.api.is_some() && entry.listed != self.listing;
        let gone: Vec<Arc<str>> = self
            .entries
            .iter()
            .filter(|(_, entry)| missing(entry))
            .map(|(uid, _)| Arc::clone(uid))
            .collect();
        for uid in gone {
            self.pod_gone(&uid, at_ns);
        }
    }

    pub(super) fn cgroup(&mut self, fact: CgroupFact) {
        if self.cgroups.len() >= MAX_CGROUPS && !self.cgroups.contains_key(&fact.id) {
            self.refused += 1;
            return;
        }
        let Some((uid, entry)) = self.entry_mut(&fact.pod_uid) else {
            return;
        };
        if let Some(id) = &fact.container_id {
            entry.container(id, None);
        }
        let cgroup = Cgroup {
            pod_uid: uid,
            container_id: fact.container_id.map(Into::into),
            gone_ns: None,
        };
        self.cgroups.insert(fact.id, cgroup);
    }

    pub(super) fn cgroup_gone(&mut self, id: u64, at_ns: u64) {
        if let Some(cgroup) = self.cgroups.get_mut(&id) {
            cgroup.gone_ns = Some(at_ns);
        }
    }

    pub(super) fn sandbox(&mut self, fact: SandboxFact, node: Option<&Arc<str>>) {
        let Some((uid, entry)) = self.entry_mut(&fact.pod_uid) else {
            return;
        };
        entry.pod.host_network |= fact.host_network;
        entry.pod.node = entry.pod.node.take().or_else(|| node.cloned());
        let (held, from_ns) = (entry.held(), fact.from_ns);
        entry.sandbox = Some(fact);
        entry.sandbox_until_ns = None;
        entry.unreferenced_ns = None;
        self.refresh(&uid, &held, from_ns);
    }

    pub(super) fn sandbox_gone(&mut self, uid: &str, at_ns: u64) {
        let Some((uid, entry)) = self.entries.get_key_value(uid) else {
            return;
        };
        let (uid, held) = (Arc::clone(uid), entry.held());
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.sandbox_until_ns = Some(at_ns);
            entry.note_if_unreferenced(at_ns);
        }
        self.refresh(&uid, &held, at_ns);
    }

    /// Adds a reference from an endpoint to its pod, which may be on another node. Returns the
    /// pod's uid, for `endpoint_gone`.
    pub(super) fn endpoint(&mut self, fact: &EndpointFact) -> Option<Arc<str>> {
        let (uid, pod) = fact.pod.as_ref()?;
        let (uid, entry) = self.entry_mut(uid)?;
        entry.endpoints = entry.endpoints.saturating_add(1);
        entry.unreferenced_ns = None;
        if entry.api.is_none() {
            entry.pod.name(pod, fact.workload.clone());
            let node = fact.node.as_deref().map(Into::into);
            entry.pod.node = entry.pod.node.take().or(node);
        }
        Some(uid)
    }

    pub(super) fn endpoint_gone(&mut self, uid: &str, at_ns: u64) {
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.endpoints = entry.endpoints.saturating_sub(1);
            entry.note_if_unreferenced(at_ns);
        }
    }

    /// Removes what ended before `before_ns`.
    pub(super) fn prune_before(&mut self, before_ns: u64) {
        let old = |at_ns: Option<u64>| at_ns.is_some_and(|at_ns| at_ns < before_ns);
        self.entries.retain(|_, entry| !old(entry.unreferenced_ns));
        self.cgroups.retain(|_, cgroup| !old(cgroup.gone_ns));
        self.aliases
            .retain(|_, uid| self.entries.contains_key(uid.as_ref()));
        self.addresses.prune_before(before_ns);
        self.namespaces.prune_before(before_ns);
    }

    fn entry(&self, uid: &str) -> Option<&Entry> {
        let uid = self.aliases.get(uid).map_or(uid, |alias| alias.as_ref());
        self.entries.get(uid)
    }

    /// The entry of this uid, added if it is new and there is room.
    fn entry_mut(&mut self, uid: &str) -> Option<(Arc<str>, &mut Entry)> {
        let uid: Arc<str> = match self.entries.get_key_value(uid) {
            Some((known, _)) => Arc::clone(known),
            None if uid.is_empty() || self.entries.len() >= MAX_PODS => {
                self.refused += 1;
                return None;
            }
            None => uid.into(),
        };
        let entry = self.entries.entry(Arc::clone(&uid)).or_default();
        entry.pod.uid = Arc::clone(&uid);
        Some((uid, entry))
    }

    /// Updates the timelines of a pod whose addresses were `before`.
    fn refresh(&mut self, uid: &Arc<str>, before: &[IpAddr], changed_ns: u64) {
        let Some(entry) = self.entries.get(uid) else {
            return;
        };
        let (from_ns, until_ns) = (entry.since_ns(), entry.until_ns());
        let held = entry.held();
        for address in &held {
            self.addresses
                .set(*address, Arc::clone(uid), from_ns, until_ns);
        }
        for address in before.iter().filter(|address| !held.contains(address)) {
            self.addresses.close(*address, uid, changed_ns);
        }
        if let Some(sandbox) = entry.sandbox.as_ref().filter(|own| !own.host_network) {
            let until_ns = entry.sandbox_until_ns;
            self.namespaces
                .set(sandbox.netns, Arc::clone(uid), sandbox.from_ns, until_ns);
        }
    }
}

impl Entry {
    /// The pod's own addresses; none for a host-network pod.
    fn held(&self) -> Vec<IpAddr> {
        if self.pod.host_network {
            return Vec::new();
        }
        let api = self.api.iter().flat_map(|api| &api.addresses);
        let sandbox = self.sandbox.iter().flat_map(|sandbox| &sandbox.addresses);
        let mut addresses: Vec<IpAddr> = api.chain(sandbox).copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// When the pod started: the time of its first process is more precise than the API's.
    fn since_ns(&self) -> u64 {
        let api_ns = self.api.as_ref().map_or(0, |api| api.from_ns);
        let sandbox = self.sandbox.as_ref().filter(|known| known.from_ns != 0);
        sandbox.map_or(api_ns, |sandbox| sandbox.from_ns)
    }

    /// When the pod ended. Where its cgroup is known, the deletion of the API's object does not
    /// count:
    /// the processes may end earlier or later.
    fn until_ns(&self) -> Option<u64> {
        let gone_ns = match self.sandbox {
            Some(_) => self.sandbox_until_ns,
            None => self.deleted_ns,
        };
        [self.finished_ns, gone_ns].into_iter().flatten().min()
    }

    fn container(&mut self, id: &str, name: Option<String>) {
        match self.containers.iter_mut().find(|known| *known.id == *id) {
            Some(known) if known.name.is_some() || name.is_none() => {}
            Some(known) => known.name = name.map(Into::into),
            None => {
                // A container gets a new id at each restart, so the number of ids must be bounded.
                const MAX_CONTAINERS: usize = 64;
                if self.containers.len() >= MAX_CONTAINERS {
                    self.containers.remove(0);
                }
                self.containers.push(Container {
                    id: id.into(),
                    name: name.map(Into::into),
                });
            }
        }
    }

    /// Notes the time where no source has the pod any more.
    fn note_if_unreferenced(&mut self, at_ns: u64) {
        let has_sandbox = self.sandbox.is_some() && self.sandbox_until_ns.is_none();
        if self.api.is_none() && !has_sandbox && self.endpoints == 0 {
            self.unreferenced_ns = Some(at_ns);
        }
    }
}

impl Pod {
    fn name(&mut self, pod: &ObjectName, workload: Option<Workload>) {
        self.namespace = Some(pod.namespace.as_str().into());
        self.name = Some(pod.name.as_str().into());
        self.workload = workload.map(|workload| (workload.kind, workload.name.into()));
    }
}
