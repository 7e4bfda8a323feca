//! Watches: one line of JSON for each change, until the client closes or the time is over.
//!
//! An object that the field selector no longer selects is DELETED, and an object that it newly
//! selects is ADDED, as in the watch cache.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, Interval, sleep_until},
};

use crate::{
    list::Parameters,
    resource::Resource,
    selector::Selector,
    status::Status,
    store::{Change, Gone, Store},
};

/// The time of a watch whose client gives none; the real server takes between 30 and 60 minutes.
const TIMEOUT: Duration = Duration::from_secs(1_800);

/// A watch in progress.
pub(crate) struct Watch {
    store: Arc<Store>,
    resource: Resource,
    selector: Selector,
    /// The version up to which the client has received changes.
    version: u64,
    lines: VecDeque<Value>,
    /// No line follows those in `lines`.
    is_over: bool,
    versions: watch::Receiver<u64>,
    cuts: watch::Receiver<u64>,
    bookmarks: Option<Interval>,
    ends: Instant,
}

impl Watch {
    /// Begins a watch.
    ///
    /// # Errors
    /// When a parameter is invalid, or the version is gone and the faults demand a status.
    pub(crate) fn begin(
        store: &Arc<Store>,
        resource: Resource,
        parameters: &Parameters,
    ) -> Result<Self, Status> {
        let selector = Selector::parse(resource, &parameters.field_selector)?;
        let faults = store.faults();
        let bookmarks = parameters.allow_watch_bookmarks.unwrap_or(false);
        let timeout = parameters.timeout_seconds.map(Duration::from_secs);
        let mut watch = Self {
            store: Arc::clone(store),
            resource,
            selector,
            version: 0,
            lines: VecDeque::new(),
            is_over: false,
            versions: store.versions(),
            cuts: store.cuts(),
            bookmarks: bookmarks.then(|| {
                let mut interval = tokio::time::interval(faults.bookmark_every);
                interval.reset();
                interval
            }),
            ends: Instant::now() + timeout.unwrap_or(TIMEOUT),
        };
        watch.cuts.mark_unchanged();
        match parameters.resource_version.as_str() {
            // The current state, as ADDED events, comes first.
            "" | "0" => {
                let (version, objects) = store.state(resource);
                watch.version = version;
                let selected = objects
                    .values()
                    .filter(|object| watch.selector.matches(object));
                watch.lines = selected.map(|object| event("ADDED", object)).collect();
            }
            version => {
                let version = version.parse().map_err(|_| {
                    Status::bad_request(format!("Invalid value: {version:?}: resourceVersion"))
                })?;
                watch.version = version;
                if let Err(oldest) = store.after(version) {
                    store.note_gone();
                    let status = Status::too_old(version, oldest);
                    if faults.gone == Gone::Status {
                        return Err(status);
                    }
                    watch.end_with(&status);
                }
            }
        }
        Ok(watch)
    }

    /// The lines as chunks of a response body. A cut is an error of the body, which breaks the
    /// connection.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures_util::stream::unfold(self, |mut watch| async move {
            let line = watch.next_line().await?;
            let chunk = line.map(|line| Bytes::from(format!("{line}\n")));
            Some((chunk, watch))
        })
    }

    async fn next_line(&mut self) -> Option<io::Result<Value>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            if self.is_over {
                return None;
            }
            self.versions.mark_unchanged();
            self.take_changes();
            if !self.lines.is_empty() {
                continue;
            }
            let bookmark = async {
                match &mut self.bookmarks {
                    Some(interval) => interval.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = self.cuts.changed() => {
                    self.is_over = true;
                    return Some(Err(io::Error::other("cut by the test")));
                }
                _ = self.versions.changed() => {}
                _ = bookmark => self.bookmark(),
                () = sleep_until(self.ends) => {
                    if self.bookmarks.is_some() {
                        self.bookmark();
                    }
                    self.is_over = true;
                }
            }
        }
    }

    fn take_changes(&mut self) {
        match self.store.after(self.version) {
            Ok(changes) => {
                for change in changes {
                    self.version = change.version;
                    self.lines.extend(self.line(&change));
                }
            }
            // The client was too slow: the changes it has not read are gone.
            Err(oldest) => {
                self.store.note_gone();
                self.end_with(&Status::too_old(self.version, oldest));
            }
        }
    }

    fn line(&self, change: &Change) -> Option<Value> {
        if change.resource != self.resource {
            return None;
        }
        let selected = |object: &&Arc<Value>| self.selector.matches(object);
        let before = change.before.as_ref().filter(selected);
        let after = change.after.as_ref().filter(selected);
        match (before, after) {
            (None, Some(after)) => Some(event("ADDED", after)),
            (Some(_), Some(after)) => Some(event("MODIFIED", after)),
            (Some(before), None) => {
                // The last selected state, with the version of the deletion.
                let mut last = Value::clone(before);
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(event("DELETED", &last))
            }
            (None, None) => None,
        }
    }

    fn bookmark(&mut self) {
        self.lines.push_back(json!({
            "type": "BOOKMARK",
            "object": {
                "kind": self.resource.kind(),
                "apiVersion": self.resource.api_version(),
                "metadata": {
                    "resourceVersion": self.version.to_string(),
                    "creationTimestamp": null,
                },
                "spec": {},
            },
        }));
    }

    fn end_with(&mut self, status: &Status) {
        self.lines
            .push_back(json!({"type": "ERROR", "object": status.to_json()}));
        self.is_over = true;
    }
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}
