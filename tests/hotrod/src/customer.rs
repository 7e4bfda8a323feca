//! The customer service. In: `GET /customer?customer=ID`. Out: name and location of one of HotROD's
//! four customers, or 404.

use std::time::Duration;

use hyper::StatusCode;
use opentelemetry::Context;
use serde::{Deserialize, Serialize};

use crate::city::{Location, simulate_work};
use crate::server::{Endpoint, Query, Reply};

/// A customer, as the service writes it and the frontend reads it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    /// As `x,y`.
    #[serde(rename = "Location")]
    pub(crate) location: String,
}

const CUSTOMERS: [(&str, &str, Location); 4] = [
    ("123", "Rachel's_Floral_Designs", Location::new(115, 277)),
    ("392", "Trom_Chocolatier", Location::new(577, 322)),
    ("567", "Amazing_Coffee_Roasters", Location::new(211, 653)),
    ("731", "Japanese_Desserts", Location::new(728, 326)),
];

/// The service.
#[derive(Debug)]
pub(crate) struct Customers;

impl Endpoint for Customers {
    const ROUTE: &'static str = "/customer";

    async fn answer(&self, query: Query, _cx: &Context) -> Reply {
        let id = match query.require("customer") {
            Ok(id) => id,
            Err(reply) => return reply,
        };
        simulate_work(Duration::from_micros(4500), Duration::from_millis(1), id).await;
        match CUSTOMERS.iter().find(|(known, _, _)| *known == id) {
            Some((id, name, location)) => Reply::ok(&Customer {
                id: (*id).to_owned(),
                name: (*name).to_owned(),
                location: location.to_string(),
            }),
            None => Reply::error(
                StatusCode::NOT_FOUND,
                format_args!("customer `{id}` does not exist"),
            ),
        }
    }
}
