//! The agent's OpenTelemetry resource, and the node's name.

use std::fs;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::attribute::{
    HOST_ID, HOST_NAME, K8S_NODE_NAME, SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION,
};

use super::settings::{self, SettingsError};

/// The machine's id (man 5 machine-id), as this container sees it in the host's file system with
/// hostPID, and as a process of the host does.
const MACHINE_ID_FILES: [&str; 2] = ["/proc/1/root/etc/machine-id", "/etc/machine-id"];
/// Each read gives another random id (man 4 random).
const RANDOM_ID_FILE: &str = "/proc/sys/kernel/random/uuid";

/// The node's name: NODE_NAME, which the manifest sets from spec.nodeName, or the host's name.
pub fn node_name() -> String {
    std::env::var("NODE_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(host_name)
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".into())
}

/// `host.id`, as the semantic conventions want it of a machine; `None` where it cannot be read.
fn host_id() -> Option<String> {
    MACHINE_ID_FILES.iter().find_map(|file| first_line(file))
}

fn first_line(file: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Checks OTEL_RESOURCE_ATTRIBUTES, of which the library leaves out what is malformed.
///
/// # Errors
/// When an element of it is no pair of a key and a value.
pub(super) fn check_environment() -> Result<(), SettingsError> {
    let list = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let malformed = settings::pairs(&list).find(|(_, pair)| pair.is_none());
    malformed.map_or(Ok(()), |(number, _)| {
        Err(SettingsError::ResourceAttribute(number))
    })
}

/// The resource of all spans. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
pub(super) fn resource() -> Resource {
    let from_environment = Resource::builder().build();
    let given = |key: &str| {
        from_environment.iter().any(|(name, value)| {
            name.as_str() == key && !value.as_str().starts_with("unknown_service")
        })
    };
    let always = [
        KeyValue::new(SERVICE_NAME, "hopspan"),
        KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(HOST_NAME, host_name()),
        KeyValue::new(K8S_NODE_NAME, node_name()),
    ];
    let host_id = host_id().map(|id| KeyValue::new(HOST_ID, id));
    let instance = first_line(RANDOM_ID_FILE).map(|id| KeyValue::new(SERVICE_INSTANCE_ID, id));
    let own = always.into_iter().chain(host_id).chain(instance);
    Resource::builder()
        .with_attributes(own.filter(|own| !given(own.key.as_str())))
        .build()
}
