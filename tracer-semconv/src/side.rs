//! Values of [`attribute::HALF`], [`attribute::CLOSED_BY`] and
//! [`attribute::TCP_WINDOW_OF`](crate::attribute::TCP_WINDOW_OF).
//!
//! [`attribute::HALF`]: crate::attribute::HALF
//! [`attribute::CLOSED_BY`]: crate::attribute::CLOSED_BY

use crate::{attribute, value::values};

values! {
    /// One end of a connection.
    pub enum Side of attribute::HALF {
        /// The end that opened the connection and sends requests.
        Client = "client",
        /// The end that accepted the connection and sends responses.
        Server = "server",
    }
}
