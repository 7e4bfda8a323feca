//! The frontend. In: `GET /dispatch?customer=ID`. Out: the driver who is there first, found by one
//! customer call, one driver call and one route call for each driver.

mod best_route;
mod driver_client;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use opentelemetry::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{self, CallError, Target};
use crate::customer::Customer;
use crate::frontend::driver_client::DriverClient;
use crate::pool::{Lease, Pool};
use crate::server::{Endpoint, Query, Reply};
use crate::upstream::Upstream;

/// The service and its connections to the others.
#[derive(Debug)]
pub(crate) struct Frontend {
    customers: Arc<Pool>,
    drivers: DriverClient,
    routes: Arc<Pool>,
}

/// The answer to a dispatch.
#[derive(Debug, Serialize)]
struct Dispatched {
    #[serde(rename = "Driver")]
    driver_id: String,
    /// Travel time of the driver to the customer, in nanoseconds.
    #[serde(rename = "ETA")]
    eta_ns: u64,
}

/// Why a dispatch has no driver.
#[derive(Debug, thiserror::Error)]
enum DispatchError {
    #[error("customer `{id}` does not exist")]
    UnknownCustomer { id: String },
    #[error("{service} answered {status}")]
    Refused {
        service: &'static str,
        status: StatusCode,
    },
    #[error("{service} answered what is no answer of its own")]
    Nonsense {
        service: &'static str,
        source: serde_json::Error,
    },
    #[error("call {service}")]
    Call {
        service: &'static str,
        source: CallError,
    },
    #[error("driver answered {}: {}", .0.code(), .0.message())]
    Driver(#[from] tonic::Status),
    #[error("a route worker ended early")]
    Worker(#[from] tokio::task::JoinError),
    #[error("there is no driver")]
    NoDriver,
}

impl Frontend {
    /// Connects to nothing yet. Must be called inside the runtime that will serve.
    ///
    /// # Errors
    /// When `driver` cannot be a gRPC endpoint.
    pub(crate) fn new(
        customer: Upstream,
        driver: Upstream,
        route: Upstream,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            customers: Pool::new(customer),
            drivers: DriverClient::new(driver)?,
            routes: Pool::new(route),
        })
    }

    async fn dispatch(&self, customer_id: &str, cx: &Context) -> Result<Dispatched, DispatchError> {
        let customer = self.customer(customer_id, cx).await?;
        let drivers = self.drivers.find_nearest(&customer.location, cx).await?;
        let best = best_route::find(&self.routes, drivers, &customer.location, cx).await?;
        let (driver, route) = best.ok_or(DispatchError::NoDriver)?;
        Ok(Dispatched {
            driver_id: driver.driver_id,
            eta_ns: route.eta_ns,
        })
    }

    async fn customer(&self, id: &str, cx: &Context) -> Result<Customer, DispatchError> {
        let target = Target::new("/customer", &[("customer", id)]);
        let result = get("customer", &mut self.customers.lease(), &target, cx).await;
        match result {
            Err(DispatchError::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Err(DispatchError::UnknownCustomer { id: id.to_owned() }),
            result => result,
        }
    }
}

impl Endpoint for Frontend {
    const ROUTE: &'static str = "/dispatch";

    async fn answer(&self, query: Query, cx: &Context) -> Reply {
        let customer_id = match query.require("customer") {
            Ok(id) => id,
            Err(reply) => return reply,
        };
        match self.dispatch(customer_id, cx).await {
            Ok(dispatched) => Reply::ok(&dispatched),
            Err(error @ DispatchError::UnknownCustomer { .. }) => {
                Reply::error(StatusCode::NOT_FOUND, error)
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!("no driver for customer `{customer_id}`: {error:#}");
                Reply::error(StatusCode::BAD_GATEWAY, format_args!("{error:#}"))
            }
        }
    }
}

/// One call to an HTTP service that answers JSON.
async fn get<T: DeserializeOwned>(
    service: &'static str,
    lease: &mut Lease,
    target: &Target,
    cx: &Context,
) -> Result<T, DispatchError> {
    let call_cx = call::start_span(lease.upstream(), target, cx);
    let response = call::get(lease, target, &HeaderMap::new(), &call_cx)
        .await
        .map_err(|source| DispatchError::Call { service, source })?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        return Err(DispatchError::Refused { service, status });
    }
    serde_json::from_slice(response.body())
        .map_err(|source| DispatchError::Nonsense { service, source })
}
