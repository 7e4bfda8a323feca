//! The objects and what happened to them, in the order of `resourceVersion`.
//!
//! In: objects as JSON. Out: states and changes. As etcd's, its versions count all objects together,
//! and its history can be cut off.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::resource::Resource;

/// Lists whose pages are being read.
const MAX_LISTS: usize = 16;

/// Namespace and name.
pub(crate) type Key = (String, String);
/// All objects of one kind.
pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// How the API says that a version is not in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gone {
    /// Status 200, and an ERROR event: the watch cache does so.
    #[default]
    Event,
    /// Status 410.
    Status,
}

/// What the server does wrong, or differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Answers every request with this status and does no more.
    pub refuse: Option<u16>,
    /// Says so that a version is gone.
    pub gone: Gone,
    /// How often it sends bookmarks to watches that allow them. The real one does once a minute.
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

/// Requests that came, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Lists; each page is one.
    pub lists: BTreeMap<Resource, u64>,
    /// Watches.
    pub watches: BTreeMap<Resource, u64>,
    /// Watches and pages that were told that their version is gone.
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
    /// `None` where it was deleted.
    pub(crate) after: Option<Arc<Value>>,
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    /// The history begins after it.
    oldest: u64,
    objects: BTreeMap<Resource, Objects>,
    history: VecDeque<Change>,
    lists: VecDeque<(u64, Resource, Arc<Objects>)>,
    faults: Faults,
    requests: Requests,
}

/// Objects, shared by servers that come after each other and the test.
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

    /// A store whose versions begin later: that of a server that was restored, and has no history.
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

    /// Creates or replaces an object, by its kind, namespace and name; its `resourceVersion`.
    ///
    /// # Panics
    /// When it is of no kind that is served, or has no name.
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

    /// Deletes an object; whether it was there.
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

    /// Cuts the history off: who wants to go on from any version before the last is told that it
    /// is gone. Who watches and has taken everything does not notice.
    pub fn expire(&self) {
        let mut inner = self.lock();
        inner.oldest = inner.version;
        inner.history.clear();
        inner.lists.clear();
    }

    /// Cuts every connection in the middle of what it was saying.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Changes what the server does wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// What it does wrong.
    pub fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// Which requests came.
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

    /// The objects of a kind and the version of that state.
    pub(crate) fn state(&self, resource: Resource) -> (u64, Objects) {
        let inner = self.lock();
        let objects = inner.objects.get(&resource).cloned().unwrap_or_default();
        (inner.version, objects)
    }

    /// Keeps a state for the pages after the first.
    pub(crate) fn keep(&self, version: u64, resource: Resource, objects: Objects) {
        let mut inner = self.lock();
        if inner.lists.len() >= MAX_LISTS {
            inner.lists.pop_front();
        }
        inner
            .lists
            .push_back((version, resource, Arc::new(objects)));
    }

    /// A state that was kept, unless the history was cut off since.
    pub(crate) fn kept(&self, version: u64, resource: Resource) -> Option<Arc<Objects>> {
        let inner = self.lock();
        let mut lists = inner.lists.iter();
        let kept = lists.find(|(kept, of, _)| (*kept, *of) == (version, resource));
        kept.map(|(_, _, objects)| Arc::clone(objects))
    }

    /// The changes after a version, or the oldest version from which they are known.
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

    /// Locks what a panic cannot leave half-changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    assert!(!text("name").is_empty(), "object without a name: {object}");
    (text("namespace").to_owned(), text("name").to_owned())
}
