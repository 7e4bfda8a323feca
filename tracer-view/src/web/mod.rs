//! The page: traces, comparison and map in a browser, and the same in one file. In: the store's
//! content. Out: HTTP on a listening socket, or HTML. Knows no OTLP transport and no terminal.
//!
//! | module | what |
//! |---|---|
//! | [`server`], [`guard`], [`assets`] | HTTP, who may ask, and the files of `page/dist` |
//! | [`sets`], [`view`] | the received traces and opened files; what changed since a version |
//! | [`row`], [`trace_view`], [`path_view`], [`comparison`], [`value`] | traces to JSON |
//! | [`model`] | the JSON |
//! | [`embedded`] | a page without a server |

mod assets;
mod comparison;
mod embedded;
mod guard;
mod model;
mod path_view;
mod row;
mod server;
mod sets;
mod trace_view;
mod value;
mod view;

pub(crate) use embedded::html;
pub(crate) use model::Comparison;
pub(crate) use server::serve;
pub(crate) use sets::{FileSet, Sets, StoreQuery};
pub(crate) use view::Window;
