//! The route calls of a dispatch. In: drivers and a destination. Out: the driver with the shortest
//! route. Three workers share the drivers, each with a connection of its own.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::Context;
use tokio::task::JoinSet;

use super::json_call::{DispatchError, get};
use crate::call::Target;
use crate::driver_service::DriverLocation;
use crate::pool::{Lease, Pool};
use crate::route::Route;

/// As in HotROD: ten routes, three at a time.
const WORKERS: usize = 3;

type Candidate = (DriverLocation, Route);

/// Requests the route of every driver to `dropoff` (as `x,y`). `None` when there are no drivers.
///
/// # Errors
/// That of the first call that fails; the calls in progress are given up.
pub(super) async fn find(
    routes: &Arc<Pool>,
    drivers: Vec<DriverLocation>,
    dropoff: &str,
    cx: &Context,
) -> Result<Option<Candidate>, DispatchError> {
    let waiting = Arc::new(Mutex::new(drivers.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(
            routes.lease(),
            Arc::clone(&waiting),
            dropoff.to_owned(),
            cx.clone(),
        ));
    }
    let mut best = None;
    while let Some(candidate) = workers.join_next().await {
        best = shorter(best, candidate??);
    }
    Ok(best)
}

/// Takes drivers until none is left. At its end the lease goes back to the pool.
async fn work(
    mut lease: Lease,
    waiting: Arc<Mutex<impl Iterator<Item = DriverLocation>>>,
    dropoff: String,
    cx: Context,
) -> Result<Option<Candidate>, DispatchError> {
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let mut best = None;
    while let Some(driver) = next() {
        let target = Target::new(
            "/route",
            &[("pickup", &driver.location), ("dropoff", &dropoff)],
        );
        let route = get("route", &mut lease, &target, &cx).await?;
        best = shorter(best, Some((driver, route)));
    }
    Ok(best)
}

/// Of two equally short routes it takes the driver with the smaller id, so that the result does not
/// depend on which worker was faster.
fn shorter(left: Option<Candidate>, right: Option<Candidate>) -> Option<Candidate> {
    let both = left.into_iter().chain(right);
    both.min_by(|(a, to_a), (b, to_b)| {
        (to_a.eta_ns, &a.driver_id).cmp(&(to_b.eta_ns, &b.driver_id))
    })
}
