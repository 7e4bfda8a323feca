//! The sets of traces: those that the viewer receives, and files that a reader of the page opened.
//! In: questions. Out: answers as JSON values. The live store belongs to the viewer's loop, which
//! answers [`StoreQuery`]; what is worked out of it is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::model::{Comparison, TraceSet, TraceView};
use super::trace_view::trace_view;
use super::view::{Changes, SetView, Window};
use crate::compare;
use crate::decode::decode;
use crate::id::TraceId;
use crate::render::{Losses, loss_sentences};
use crate::source;
use crate::span::Span;
use crate::store::{Limits, Source, Store};
use crate::text::Text;

/// Files that can be open at a time.
const OPEN_FILES: usize = 8;

/// The id of the received traces.
const LIVE: &str = "live";

/// A question of the page to the loop that owns the store.
#[derive(Debug)]
pub(crate) enum StoreQuery {
    /// What changed after a version, and what was lost so far.
    Changes(u64, oneshot::Sender<(Changes, Losses)>),
    /// One trace.
    Trace(TraceId, oneshot::Sender<Option<StoredTrace>>),
}

/// One trace of a store.
#[derive(Debug)]
pub(crate) struct StoredTrace {
    spans: Arc<Vec<Span>>,
    sources: Vec<Source>,
    refused: u64,
}

impl StoreQuery {
    /// Answers from the store. A page that has gone away is no error.
    pub(crate) fn answer(self, store: &Store, losses: &Losses) {
        match self {
            Self::Changes(version, reply) => {
                let losses = Losses {
                    store: store.counts(),
                    ..*losses
                };
                let _ = reply.send((Changes::after(store, version), losses));
            }
            Self::Trace(id, reply) => _ = reply.send(StoredTrace::of(store, id)),
        }
    }
}

impl StoredTrace {
    fn of(store: &Store, id: TraceId) -> Option<Self> {
        let trace = store.get(id)?;
        Some(Self {
            spans: Arc::clone(&trace.spans),
            sources: trace.sources.clone(),
            refused: trace.refused,
        })
    }

    /// As the page shows it.
    pub(super) fn view(&self, id: TraceId) -> TraceView {
        trace_view(id, &self.spans, &self.sources, self.refused)
    }

    /// As it was received.
    pub(super) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        source::requests(&self.sources)
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetError {
    #[error("there is no set {0}; it may have been closed")]
    NoSet(String),
    #[error("the trace is no longer kept, or never arrived")]
    NoTrace,
    #[error("{OPEN_FILES} files are open; close one first")]
    TooMany,
    #[error("the viewer is ending")]
    Ending,
}

/// All sets.
#[derive(Debug)]
pub(crate) struct Sets {
    queries: mpsc::Sender<StoreQuery>,
    live: Arc<Mutex<Live>>,
    files: Mutex<BTreeMap<u64, Arc<FileSet>>>,
    limits: Limits,
    base: u64,
}

#[derive(Debug)]
struct Live {
    view: SetView,
    losses: Vec<String>,
}

/// The traces of a file.
#[derive(Debug)]
pub(crate) struct FileSet {
    name: String,
    store: Store,
    view: SetView,
    losses: Vec<String>,
}

impl FileSet {
    /// Reads everything; keeps what the limits allow.
    pub(crate) fn new(
        name: &str,
        requests: &[ExportTraceServiceRequest],
        limits: Limits,
        base: u64,
    ) -> Self {
        let mut store = Store::new(limits);
        let mut losses = Losses::default();
        for request in requests {
            let decoded = decode(request);
            losses.rejected_spans += decoded.rejected;
            store.insert(decoded.spans, Instant::now());
            store.insert_sources(source::by_trace(request));
        }
        losses.store = store.counts();
        Self::of(name, store, &losses, base)
    }

    /// A store to which no more comes.
    pub(crate) fn of(name: &str, store: Store, losses: &Losses, base: u64) -> Self {
        let mut view = SetView::new(base);
        view.update(Changes::after(&store, 0));
        Self {
            name: Text::clean(name).to_string(),
            store,
            view,
            losses: loss_sentences(losses),
        }
    }

    /// For people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The traces as rows and comparison.
    pub(crate) fn view(&self) -> &SetView {
        &self.view
    }

    /// What was not kept, in words.
    pub(crate) fn losses(&self) -> &[String] {
        &self.losses
    }

    /// The set, by this id.
    pub(crate) fn set(&self, id: &str) -> TraceSet {
        TraceSet {
            id: id.to_owned(),
            name: self.name.clone(),
            traces: self.view.traces(),
        }
    }

    /// The comparison over all traces, for the terminal.
    pub(crate) fn compare(&self) -> compare::Comparison {
        self.view.comparison()
    }

    /// One trace of it.
    pub(crate) fn trace(&self, id: TraceId) -> Option<TraceView> {
        Some(StoredTrace::of(&self.store, id)?.view(id))
    }
}

/// A set that was found.
enum Found {
    Live,
    File(Arc<FileSet>),
}

impl Sets {
    /// The receiver is for the loop that owns the store. `limits` are for each file.
    pub(crate) fn new(limits: Limits) -> (Self, mpsc::Receiver<StoreQuery>) {
        let (queries, receiver) = mpsc::channel(16);
        // Microseconds: exact in JavaScript, and no viewer takes a request each of them.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let base = since_epoch.map_or(0, |since| since.as_micros() as u64);
        let live = Live {
            view: SetView::new(base),
            losses: Vec::new(),
        };
        let sets = Self {
            queries,
            live: Arc::new(Mutex::new(live)),
            files: Mutex::default(),
            limits,
            base,
        };
        (sets, receiver)
    }

    pub(super) async fn all(&self) -> Result<Vec<TraceSet>, SetError> {
        let live = self.updated().await?;
        let mut all = vec![TraceSet {
            id: LIVE.to_owned(),
            name: LIVE.to_owned(),
            traces: live.lock().await.view.traces(),
        }];
        let files = self.files.lock().await;
        all.extend(files.iter().map(|(id, file)| file.set(&id.to_string())));
        Ok(all)
    }

    /// The list as JSON.
    pub(super) async fn list(&self, set: &str, after: Option<u64>) -> Result<Vec<u8>, SetError> {
        Ok(match self.find(set).await? {
            Found::Live => {
                let live = self.updated().await?;
                let live = live.lock().await;
                json(&live.view.list(after, live.losses.clone()))
            }
            Found::File(file) => json(&file.view.list(after, file.losses.clone())),
        })
    }

    pub(super) async fn comparison(
        &self,
        set: &str,
        window: Window,
    ) -> Result<Comparison, SetError> {
        Ok(match self.find(set).await? {
            Found::Live => self.updated().await?.lock().await.view.compare(window),
            Found::File(file) => file.view.compare(window),
        })
    }

    pub(super) async fn trace(&self, set: &str, id: TraceId) -> Result<StoredTrace, SetError> {
        let trace = match self.find(set).await? {
            Found::Live => {
                let (reply, answer) = oneshot::channel();
                self.ask(StoreQuery::Trace(id, reply)).await?;
                answer.await.map_err(|_| SetError::Ending)?
            }
            Found::File(file) => StoredTrace::of(&file.store, id),
        };
        trace.ok_or(SetError::NoTrace)
    }

    pub(super) async fn open(
        &self,
        name: &str,
        requests: &[ExportTraceServiceRequest],
    ) -> Result<TraceSet, SetError> {
        let mut files = self.files.lock().await;
        if files.len() >= OPEN_FILES {
            return Err(SetError::TooMany);
        }
        let id = files.last_key_value().map_or(1, |(last, _)| last + 1);
        let file = FileSet::new(name, requests, self.limits, self.base);
        let set = file.set(&id.to_string());
        files.insert(id, Arc::new(file));
        Ok(set)
    }

    pub(super) async fn close(&self, set: &str) -> Result<(), SetError> {
        let id = set.parse().ok();
        let closed = match id {
            Some(id) => self.files.lock().await.remove(&id),
            None => None,
        };
        closed
            .map(drop)
            .ok_or_else(|| SetError::NoSet(set.to_owned()))
    }

    async fn find(&self, set: &str) -> Result<Found, SetError> {
        if set == LIVE {
            return Ok(Found::Live);
        }
        let files = self.files.lock().await;
        let file = set.parse().ok().and_then(|id: u64| files.get(&id));
        file.map(|file| Found::File(Arc::clone(file)))
            .ok_or_else(|| SetError::NoSet(set.to_owned()))
    }

    /// Brings the live set up to date. The rows are worked out beside the loop, on a thread that may
    /// block.
    async fn updated(&self) -> Result<&Mutex<Live>, SetError> {
        let mut live = Arc::clone(&self.live).lock_owned().await;
        let (reply, answer) = oneshot::channel();
        self.ask(StoreQuery::Changes(live.view.version(), reply))
            .await?;
        let (changes, losses) = answer.await.map_err(|_| SetError::Ending)?;
        let update = move || {
            live.view.update(changes);
            live.losses = loss_sentences(&losses);
        };
        tokio::task::spawn_blocking(update)
            .await
            .map_err(|_| SetError::Ending)?;
        Ok(&self.live)
    }

    async fn ask(&self, query: StoreQuery) -> Result<(), SetError> {
        self.queries.send(query).await.map_err(|_| SetError::Ending)
    }
}

/// The structures of the model have no maps with other keys than text, so nothing can fail.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
