//! Programs that this project did not write, as clients, proxies and servers: curl, nginx, haproxy,
//! Apache httpd, nghttp and h2load, and gRPC for Python with OpenTelemetry's own instrumentation.
//!
//! `cargo xtask test` installs them. A test whose program is missing prints `SKIP` and its name.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod apache;
mod curl;
mod curl_tests;
mod expected_exchange;
mod fixture;
mod grpc_tests;
mod h2load_tests;
mod haproxy;
mod matrix;
mod nghttp;
mod nghttp_tests;
mod nginx;
mod proxy_tests;
mod tunnel_tests;
mod upgrade_tests;

/// A program, and the package of Debian and Ubuntu that has it.
type Program = (&'static str, &'static str);

const APACHE: Program = ("apache2", "apache2-bin");
const CURL: Program = ("curl", "curl");
const H2LOAD: Program = ("h2load", "nghttp2-client");
const HAPROXY: Program = ("haproxy", "haproxy");
const NGHTTP: Program = ("nghttp", "nghttp2-client");
const NGINX: Program = ("nginx", "nginx-light");
