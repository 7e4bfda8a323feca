//! Lists, whole or page by page.
//!
//! With `resourceVersion=0`, which means from the watch cache, a list is whole and `limit` is
//! ignored, as in the real server until 1.33. Other lists come page by page, each page of the same
//! state, with a `continue` token.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    resource::Resource,
    selector::Selector,
    status::Status,
    store::{Objects, Store},
};

/// The parameters of a list or watch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Parameters {
    pub(crate) watch: Option<String>,
    pub(crate) field_selector: String,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) limit: Option<usize>,
    #[serde(rename = "continue")]
    pub(crate) continue_token: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) allow_watch_bookmarks: Option<bool>,
}

/// Returns a list as JSON.
///
/// # Errors
/// When a parameter is invalid, or the next pages are gone.
pub(crate) fn list(
    store: &Store,
    resource: Resource,
    parameters: &Parameters,
) -> Result<Value, Status> {
    let selector = Selector::parse(resource, &parameters.field_selector)?;
    let limit = parameters.limit.filter(|limit| *limit > 0);
    let (version, objects, start) = if parameters.continue_token.is_empty() {
        if !parameters.resource_version_match.is_empty() && parameters.resource_version.is_empty() {
            let message = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(Status::bad_request(message.to_owned()));
        }
        let (version, objects) = store.state(resource);
        (version, objects, 0)
    } else {
        let (version, start) = parse_token(&parameters.continue_token)?;
        let Some(objects) = store.kept(version, resource) else {
            store.note_gone();
            return Err(Status::continue_expired());
        };
        (version, Objects::clone(&objects), start)
    };
    let selected: Vec<&Value> = objects
        .values()
        .map(AsRef::as_ref)
        .filter(|object| selector.matches(object))
        .collect();
    let from_cache = parameters.resource_version == "0" && parameters.continue_token.is_empty();
    let end = match limit.filter(|_| !from_cache) {
        Some(limit) => (start + limit).min(selected.len()),
        None => selected.len(),
    };
    let page: Vec<Value> = selected
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .map(|object| without_kind(object))
        .collect();
    let left = selected.len() - end;
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if left > 0 {
        metadata["continue"] = json!(format!("{version}.{end}"));
        metadata["remainingItemCount"] = json!(left);
        if parameters.continue_token.is_empty() {
            store.keep(version, resource, objects.clone());
        }
    }
    Ok(json!({
        "kind": format!("{}List", resource.kind()),
        "apiVersion": resource.api_version(),
        "metadata": metadata,
        "items": page,
    }))
}

/// Items of a list have neither `kind` nor `apiVersion`.
fn without_kind(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn parse_token(token: &str) -> Result<(u64, usize), Status> {
    let parsed = token
        .split_once('.')
        .and_then(|(version, start)| Some((version.parse().ok()?, start.parse().ok()?)));
    parsed.ok_or_else(|| Status::bad_request(format!("continue key is not valid: {token:?}")))
}
