//! The pods: names, containers, and the time for which each had its addresses.
//!
//! In: what the API, the cgroup tree and EndpointSlices tell of pods, in any order. Out: pods by
//! uid, by cgroup, by network namespace and by address at a moment.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use crate::decode::fact::{
    CgroupFact, EndpointFact, ObjectName, PodFact, SandboxFact, Workload, WorkloadKind,
};

use super::timeline::Timeline;

/// Pods remembered; the largest cluster that Kubernetes supports has 150,000.
const MAX_PODS: usize = 262_144;
/// Cgroups remembered. A node of 110 pods has some hundreds, more where containers make their own.
const MAX_CGROUPS: usize = 65_536;

/// Names of a pod, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its uid.
    pub uid: Arc<str>,
    /// `None` where only its cgroup is known.
    pub namespace: Option<Arc<str>>,
    /// `None` where only its cgroup is known.
    pub name: Option<Arc<str>>,
    /// What it belongs to.
    pub workload: Option<(WorkloadKind, Arc<str>)>,
    /// The node it runs on.
    pub node: Option<Arc<str>>,
    /// It has the node's addresses.
    pub host_network: bool,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id.
    pub id: Arc<str>,
    /// `None` where the API has not told it.
    pub name: Option<Arc<str>>,
}

/// A pod and who has told what of it.
#[derive(Debug, Default)]
struct Entry {
    pod: Pod,
    containers: Vec<Container>,
    /// The API has it.
    api: Option<Api>,
    /// The generation of the list that named it last.
    listed: u32,
    sandbox: Option<SandboxFact>,
    /// When its last container ended.
    finished_ns: Option<u64>,
    /// When the API no longer had it.
    deleted_ns: Option<u64>,
    /// When its cgroup was removed.
    sandbox_until_ns: Option<u64>,
    /// Endpoints that name it.
    endpoints: u32,
    /// When nobody told of it any more.
    forgotten_ns: Option<u64>,
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

/// All pods that are known.
#[derive(Debug, Default)]
pub(super) struct Pods {
    entries: HashMap<Arc<str>, Entry>,
    /// What the kubelet calls static pods in cgroups, and their uids.
    aliases: HashMap<Arc<str>, Arc<str>>,
    cgroups: HashMap<u64, Cgroup>,
    addresses: Timeline<IpAddr, Arc<str>>,
    namespaces: Timeline<u32, Arc<str>>,
    /// The generation of the list under way, or of the last one.
    listing: u32,
    refused: u64,
}

impl Pods {
    pub(super) fn get(&self, uid: &str) -> Option<&Pod> {
        self.entry(uid).map(|entry| &entry.pod)
    }

    /// The pod that a socket's cgroup belongs to, and the container.
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

    /// Whether the pod had already ended.
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
        entry.forgotten_ns = None;
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
            entry.settle(at_ns);
        }
        self.refresh(&uid, &held, at_ns);
    }

    pub(super) fn listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// What the list did not name is gone.
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
        entry.forgotten_ns = None;
        self.refresh(&uid, &held, from_ns);
    }

    pub(super) fn sandbox_gone(&mut self, uid: &str, at_ns: u64) {
        let Some((uid, entry)) = self.entries.get_key_value(uid) else {
            return;
        };
        let (uid, held) = (Arc::clone(uid), entry.held());
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.sandbox_until_ns = Some(at_ns);
            entry.settle(at_ns);
        }
        self.refresh(&uid, &held, at_ns);
    }

    /// An endpoint names a pod, perhaps of another node; its uid, for `endpoint_gone`.
    pub(super) fn endpoint(&mut self, fact: &EndpointFact) -> Option<Arc<str>> {
        let (uid, pod) = fact.pod.as_ref()?;
        let (uid, entry) = self.entry_mut(uid)?;
        entry.endpoints = entry.endpoints.saturating_add(1);
        entry.forgotten_ns = None;
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
            entry.settle(at_ns);
        }
    }

    /// Forgets what ended before this.
    pub(super) fn forget_before(&mut self, before_ns: u64) {
        let old = |at_ns: Option<u64>| at_ns.is_some_and(|at_ns| at_ns < before_ns);
        self.entries.retain(|_, entry| !old(entry.forgotten_ns));
        self.cgroups.retain(|_, cgroup| !old(cgroup.gone_ns));
        self.aliases
            .retain(|_, uid| self.entries.contains_key(uid.as_ref()));
        self.addresses.forget_before(before_ns);
        self.namespaces.forget_before(before_ns);
    }

    fn entry(&self, uid: &str) -> Option<&Entry> {
        let uid = self.aliases.get(uid).map_or(uid, |alias| alias.as_ref());
        self.entries.get(uid)
    }

    /// The pod of this uid, which is made if it is new and there is room.
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

    /// Tells the timelines what is now known of a pod that held `before`.
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
    /// The addresses that are its own.
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

    /// Its first process tells better than the API does.
    fn since_ns(&self) -> u64 {
        let api_ns = self.api.as_ref().map_or(0, |api| api.from_ns);
        let sandbox = self.sandbox.as_ref().filter(|known| known.from_ns != 0);
        sandbox.map_or(api_ns, |sandbox| sandbox.from_ns)
    }

    /// Where its cgroup is seen, the API's deletion of its object says nothing: its processes may
    /// have ended before that, or live on.
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
                // A container that restarts for days has a new id each time.
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

    /// Notes when nobody told of it any more.
    fn settle(&mut self, at_ns: u64) {
        let has_sandbox = self.sandbox.is_some() && self.sandbox_until_ns.is_none();
        if self.api.is_none() && !has_sandbox && self.endpoints == 0 {
            self.forgotten_ns = Some(at_ns);
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
