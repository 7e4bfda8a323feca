//! The agent's OpenTelemetry resource, and the node's name.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::attribute::{
    HOST_NAME, K8S_NODE_NAME, SERVICE_NAME, SERVICE_VERSION,
};

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

/// The resource of all spans. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
pub(super) fn resource() -> Resource {
    let from_environment = Resource::builder().build();
    let given = |key: &str| {
        from_environment.iter().any(|(name, value)| {
            name.as_str() == key && !value.as_str().starts_with("unknown_service")
        })
    };
    let own = [
        KeyValue::new(SERVICE_NAME, "hopspan"),
        KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(HOST_NAME, host_name()),
        KeyValue::new(K8S_NODE_NAME, node_name()),
    ];
    Resource::builder()
        .with_attributes(own.into_iter().filter(|own| !given(own.key.as_str())))
        .build()
}
