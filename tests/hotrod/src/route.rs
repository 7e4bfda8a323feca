//! The route service. In: `GET /route?pickup=X,Y&dropoff=X,Y`. Out: the travel time between the
//! two.

use std::time::Duration;

use hyper::StatusCode;
use opentelemetry::Context;
use serde::{Deserialize, Serialize};

use crate::city::{Location, simulate_work, travel_time};
use crate::server::{Endpoint, Query, Reply};

/// A route, as the service writes it and the frontend reads it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    /// As `x,y`.
    #[serde(rename = "Pickup")]
    pickup: String,
    /// As `x,y`.
    #[serde(rename = "Dropoff")]
    dropoff: String,
    /// Travel time in nanoseconds.
    #[serde(rename = "ETA")]
    pub(crate) eta_ns: u64,
}

/// The service.
#[derive(Debug)]
pub(crate) struct Routes;

impl Endpoint for Routes {
    const ROUTE: &'static str = "/route";

    async fn answer(&self, query: Query, _cx: &Context) -> Reply {
        let (pickup, dropoff) = match (location(&query, "pickup"), location(&query, "dropoff")) {
            (Ok(pickup), Ok(dropoff)) => (pickup, dropoff),
            (Err(reply), _) | (_, Err(reply)) => return reply,
        };
        let subject = format!("{pickup}>{dropoff}");
        simulate_work(
            Duration::from_micros(1500),
            Duration::from_millis(1),
            &subject,
        )
        .await;
        Reply::ok(&Route {
            pickup: pickup.to_string(),
            dropoff: dropoff.to_string(),
            // Two minutes to a day: far below 2^64 ns.
            eta_ns: travel_time(pickup, dropoff).as_nanos() as u64,
        })
    }
}

fn location(query: &Query, name: &str) -> Result<Location, Reply> {
    let parsed = query.require(name)?.parse::<Location>();
    parsed.map_err(|error| Reply::error(StatusCode::BAD_REQUEST, format_args!("{name}: {error}")))
}
