//! The objects, and their changes in the order of `resourceVersion`.
//!
//! In: objects as JSON. Out: states and changes. As in etcd, one version counts the changes of all
//! objects, and the history can be compacted.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::resource::Resource;

/// Lists that are kept for their next pages.
const MAX_LISTS: usize = 16;

/// Namespace and name.
pub(crate) type Key = (String, String);
/// All objects of one kind.
pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// How the API reports that a version is no longer in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gone {
    /// With status 200 and an ERROR event, as the watch cache does.
    #[default]
    Event,
    /// With status 410.
    Status,
}

/// How the server deviates from its normal behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Answers every request with this status.
    pub refuse: Option<u16>,
    /// How it reports that a version is gone.
    pub gone: Gone,
    /// How often it sends bookmarks to watches that allow them; the real server does so once a
    /// minute.
    pub bookmark_every: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            refuse: None,
            gone: Gone::Event,
            bookmark_every: Duration::from_secs(60),
        }
    }
}

/// Requests received, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Lists; each page counts.
    pub lists: BTreeMap<Resource, u64>,
    /// Watches.
    pub watches: BTreeMap<Resource, u64>,
    /// Watches and pages whose version was gone.
    pub gone: u64,
    /// The queries, in order.
    pub queries: Vec<String>,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) resource: Resource,
    pub(crate) before: Option<Arc<Value>>,
    /// `None` when the object was deleted.
    pub(crate) after: Option<Arc<Value>>,
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    /// The history begins after this version.
    oldest: u64,
    objects: BTreeMap<Resource, Objects>,
    history: VecDeque<Change>,
    lists: VecDeque<(u64, Resource, Arc<Objects>)>,
    faults: Faults,
    requests: Requests,
}

/// The objects, shared by the test and by successive servers.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
    cuts: watch::Sender<u64>,
}

impl Store {
    /// A store without objects.
    pub fn shared() -> Arc<Self> {
        Self::from_version(1)
    }

    /// A store with a later first version and no history, as of a restored server.
    pub fn from_version(version: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                version,
                oldest: version,
                ..Inner::default()
            }),
            version: watch::Sender::new(version),
            cuts: watch::Sender::new(0),
        })
    }

    /// Creates or replaces the object with this kind, namespace and name. Returns its
    /// `resourceVersion`.
    ///
    /// # Panics
    /// When its kind is not served, or it has no name.
    pub fn apply(&self, mut object: Value) -> u64 {
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource =
            Resource::of_kind(kind).unwrap_or_else(|| panic!("kind {kind:?} is not served"));
        let key = key(&object);
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let after = Arc::new(object);
        let objects = inner.objects.entry(resource).or_default();
        let before = objects.insert(key, Arc::clone(&after));
        self.record(
            inner,
            Change {
                version,
                resource,
                before,
                after: Some(after),
            },
        );
        version
    }

    /// Deletes an object. Returns false when there was none.
    pub fn delete(&self, resource: Resource, namespace: &str, name: &str) -> bool {
        let mut inner = self.lock();
        let key = (namespace.to_owned(), name.to_owned());
        let Some(before) = inner.objects.entry(resource).or_default().remove(&key) else {
            return false;
        };
        inner.version += 1;
        let version = inner.version;
        self.record(
            inner,
            Change {
                version,
                resource,
                before: Some(before),
                after: None,
            },
        );
        true
    }

    /// Compacts the history: every version before the last is gone. A watch that has received all
    /// changes goes on.
    pub fn expire(&self) {
        let mut inner = self.lock();
        inner.oldest = inner.version;
        inner.history.clear();
        inner.lists.clear();
    }

    /// Breaks every watch in the middle of its response.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Sets the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// The current faults.
    pub fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// The requests so far.
    pub fn requests(&self) -> Requests {
        self.lock().requests.clone()
    }

    /// The version of the last change.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    pub(crate) fn note(&self, resource: Resource, is_watch: bool, query: &str) {
        let requests = &mut self.lock().requests;
        let counts = if is_watch {
            &mut requests.watches
        } else {
            &mut requests.lists
        };
        *counts.entry(resource).or_default() += 1;
        requests.queries.push(query.to_owned());
    }

    pub(crate) fn note_gone(&self) {
        self.lock().requests.gone += 1;
    }

    /// The version, and the objects of a kind.
    pub(crate) fn state(&self, resource: Resource) -> (u64, Objects) {
        let inner = self.lock();
        let objects = inner.objects.get(&resource).cloned().unwrap_or_default();
        (inner.version, objects)
    }

    /// Keeps the state of a list for its next pages.
    pub(crate) fn keep(&self, version: u64, resource: Resource, objects: Objects) {
        let mut inner = self.lock();
        if inner.lists.len() >= MAX_LISTS {
            inner.lists.pop_front();
        }
        inner
            .lists
            .push_back((version, resource, Arc::new(objects)));
    }

    /// The kept state of a list. `None` when it was dropped.
    pub(crate) fn kept(&self, version: u64, resource: Resource) -> Option<Arc<Objects>> {
        let inner = self.lock();
        let mut lists = inner.lists.iter();
        let kept = lists.find(|(kept, of, _)| (*kept, *of) == (version, resource));
        kept.map(|(_, _, objects)| Arc::clone(objects))
    }

    /// The changes after a version.
    ///
    /// # Errors
    /// When the history does not reach back to it: the oldest version of the history.
    pub(crate) fn after(&self, version: u64) -> Result<Vec<Change>, u64> {
        let inner = self.lock();
        if version < inner.oldest {
            return Err(inner.oldest);
        }
        let after = inner.history.iter();
        Ok(after
            .filter(|change| change.version > version)
            .cloned()
            .collect())
    }

    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    fn record(&self, mut inner: MutexGuard<'_, Inner>, change: Change) {
        let version = change.version;
        inner.history.push_back(change);
        drop(inner);
        self.version.send_replace(version);
    }

    /// A panic in another thread cannot leave the state half-changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    assert!(!text("name").is_empty(), "object without a name: {object}");
    (text("namespace").to_owned(), text("name").to_owned())
}
