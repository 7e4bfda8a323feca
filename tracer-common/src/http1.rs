//! HTTP/1 as the kernel programs read it. Pure functions, so that tests run them in user space.

pub mod scan;
