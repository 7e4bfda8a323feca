//! The files of the page, compiled in. They are built from `page/src` by `npm run build`; a check of
//! `cargo xtask test` builds them again and compares.

/// `/`.
pub(super) const INDEX_HTML: &str = include_str!("../../page/dist/index.html");
/// `/page.js`.
pub(super) const PAGE_JS: &str = include_str!("../../page/dist/page.js");
/// `/page.css`.
pub(super) const PAGE_CSS: &str = include_str!("../../page/dist/page.css");
