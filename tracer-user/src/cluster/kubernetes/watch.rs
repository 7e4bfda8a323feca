//! Watches one kind for as long as the agent runs: lists, watches, and continues at the last
//! version.
//!
//! In: a kind, the client. Out: facts in batches. After an error it waits and goes on. The wait
//! grows with jitter from a second to half a minute.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::Arc,
};

use futures_util::StreamExt as _;
use kube::{
    Api, Client, Error,
    runtime::watcher::{self, DefaultBackoff, Event, watcher},
};
use tokio::sync::mpsc;
use tracer_pipeline::decode::{ClockSample, Fact};

use crate::{capture::clock_sample, error_chain::error_chain};

use super::{
    convert::{Received, ToFact},
    object::Watched,
    state::ApiState,
};

/// The bound of facts in a batch, because the pipeline takes packets only between batches. An
/// EndpointSlice of 1,000 endpoints is 200 KiB.
const BATCH: usize = 64;

/// Watches one kind until the receiver is gone.
pub(super) async fn run<T: ToFact>(
    client: Client,
    config: watcher::Config,
    state: Arc<ApiState>,
    facts: mpsc::Sender<Vec<Fact>>,
) {
    let mut watch = KindWatch::<T> {
        state,
        facts,
        known: HashSet::new(),
        listing: None,
        first_list: true,
        object: std::marker::PhantomData,
    };
    let mut backoff = DefaultBackoff::default();
    loop {
        let api: Api<Watched<T>> = Api::all(client.clone());
        let events = watcher(api, config.clone()).ready_chunks(BATCH);
        let mut events = std::pin::pin!(events);
        while let Some(chunk) = events.next().await {
            let Ok(is_expired) = watch.chunk(chunk).await else {
                return;
            };
            let Some(is_expired) = is_expired else {
                continue;
            };
            let wait = backoff.next();
            tokio::time::sleep(wait.unwrap_or(std::time::Duration::from_secs(30))).await;
            if is_expired {
                // `watcher` lists again after an ERROR event, but not after the status 410: it
                // would request the same version for ever.
                break;
            }
        }
    }
}

/// The state of a watch.
struct KindWatch<T> {
    state: Arc<ApiState>,
    facts: mpsc::Sender<Vec<Fact>>,
    /// Hashes of namespace and name, to count objects.
    known: HashSet<u64>,
    /// Hashes of the objects in the list that is being received.
    listing: Option<HashSet<u64>>,
    first_list: bool,
    object: std::marker::PhantomData<T>,
}

/// The receiver of facts is gone.
struct Closed;

impl<T: ToFact> KindWatch<T> {
    /// Sends the facts of events. `Some` if an event was an error, and whether it was an expired
    /// version.
    async fn chunk(
        &mut self,
        chunk: Vec<watcher::Result<Event<Watched<T>>>>,
    ) -> Result<Option<bool>, Closed> {
        let Some(clock) = clock_sample() else {
            return Ok(None);
        };
        let mut facts = Vec::with_capacity(chunk.len());
        let mut failed = None;
        for event in chunk {
            match event {
                Ok(event) => facts.extend(self.event(event, clock)),
                Err(error) => {
                    failed = Some(failed.unwrap_or(false) || is_expired(&error));
                    self.state.failed(T::KIND, error_chain(&error));
                }
            }
        }
        self.state.objects(T::KIND, self.known.len());
        if !facts.is_empty() {
            self.facts.send(facts).await.map_err(|_| Closed)?;
        }
        Ok(failed)
    }

    fn event(&mut self, event: Event<Watched<T>>, clock: ClockSample) -> Option<Fact> {
        let at_ns = clock.monotonic_ns;
        let received = |first_list| Received { clock, first_list };
        Some(match event {
            Event::Init => {
                self.listing = Some(HashSet::new());
                Fact::Listing(T::KIND)
            }
            Event::InitApply(watched) => {
                let listing = self.listing.get_or_insert_default();
                listing.insert(key(&watched.object));
                watched.object.applied(received(self.first_list))
            }
            Event::InitDone => {
                self.known = self.listing.take().unwrap_or_default();
                self.first_list = false;
                self.state.synced(T::KIND, self.known.len());
                Fact::Listed {
                    kind: T::KIND,
                    at_ns,
                }
            }
            Event::Apply(watched) => {
                self.known.insert(key(&watched.object));
                watched.object.applied(received(false))
            }
            Event::Delete(watched) => {
                self.known.remove(&key(&watched.object));
                watched.object.deleted(at_ns)
            }
        })
    }
}

fn key(object: &impl ToFact) -> u64 {
    let metadata = object.metadata();
    let mut hasher = DefaultHasher::new();
    (&metadata.namespace, &metadata.name).hash(&mut hasher);
    hasher.finish()
}

/// Whether the API no longer has the version from which to continue (status 410 Gone, reason
/// Expired).
fn is_expired(error: &watcher::Error) -> bool {
    const GONE: u16 = 410;
    match error {
        watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchFailed(Error::Api(status)) => status.code == GONE,
        _ => false,
    }
}
