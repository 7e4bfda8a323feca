//! HTTP/1 as the kernel programs read it: how a request begins, what its head tells, and where the
//! next one begins. Pure functions, so that tests run them in user space.

pub mod boundary;
pub mod scan;
pub mod start;
