//! The frontend. In: `GET /dispatch?customer=ID`. Out: the driver who arrives first, found by one
//! customer call, one driver call and one route call for each driver.

mod best_route;
mod driver_client;
mod json_call;

use std::sync::Arc;

use hyper::StatusCode;
use opentelemetry::Context;
use serde::Serialize;

use self::driver_client::DriverClient;
use self::json_call::{DispatchError, get};
use crate::call::Target;
use crate::customer::Customer;
use crate::pool::Pool;
use crate::server::{Endpoint, Query, Reply};
use crate::upstream::Upstream;

/// The service, with its connections to the others.
#[derive(Debug)]
pub(crate) struct Frontend {
    customers: Arc<Pool>,
    drivers: DriverClient,
    routes: Arc<Pool>,
}

/// The response to a dispatch.
#[derive(Debug, Serialize)]
struct Dispatched {
    #[serde(rename = "Driver")]
    driver_id: String,
    /// Travel time of the driver to the customer, in nanoseconds.
    #[serde(rename = "ETA")]
    eta_ns: u64,
}

impl Frontend {
    /// Opens no connection yet. Must be called inside the runtime that will serve.
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
