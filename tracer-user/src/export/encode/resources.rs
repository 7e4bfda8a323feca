//! The resources of spans as bytes: the agent's own, and one for each workload under whose name it
//! exports spans (`--service-name workload`).

use std::{collections::BTreeMap, sync::Arc};

use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::attribute::{SERVICE_INSTANCE_ID, SERVICE_NAME};

use super::wire::{field, pair_len, put_length, put_text, text_len};

/// Workloads with a resource of their own, 0.5 KB each. The spans of more workloads are exported
/// under the agent's name.
const MAX_WORKLOADS: usize = 1024;

/// The field `resource` of ResourceSpans, by name.
pub(super) struct Resources {
    own: Vec<u8>,
    /// The attributes that do not describe the service.
    of_host: Vec<u8>,
    of_workloads: BTreeMap<Arc<str>, Vec<u8>>,
    has_left_out: bool,
}

impl Resources {
    pub(super) fn new(own: &Resource) -> Self {
        let mut attributes = Vec::new();
        let mut of_host = Vec::new();
        for (key, value) in own {
            let value = value.as_str();
            put_pair(key.as_str(), &value, &mut attributes);
            if is_of_host(key.as_str()) {
                put_pair(key.as_str(), &value, &mut of_host);
            }
        }
        Self {
            own: field(1, &attributes),
            of_host,
            of_workloads: BTreeMap::new(),
            has_left_out: false,
        }
    }

    /// Adds a workload within the bound. Returns its name, or `None` for the agent's own.
    pub(super) fn add<'n>(&mut self, workload: &'n Arc<str>) -> Option<&'n str> {
        if self.of_workloads.contains_key(workload) {
            return Some(workload);
        }
        if self.of_workloads.len() >= MAX_WORKLOADS {
            if !self.has_left_out {
                self.has_left_out = true;
                tracing::warn!(
                    "spans of more than {MAX_WORKLOADS} workloads: those of further ones are under the agent's own name"
                );
            }
            return None;
        }
        let mut attributes = self.of_host.clone();
        put_pair(SERVICE_NAME, workload, &mut attributes);
        let resource = field(1, &attributes);
        self.of_workloads.insert(Arc::clone(workload), resource);
        Some(workload)
    }

    /// The resource of a workload that was added, or the agent's own.
    pub(super) fn get(&self, workload: Option<&str>) -> &[u8] {
        workload
            .and_then(|workload| self.of_workloads.get(workload))
            .unwrap_or(&self.own)
    }
}

/// Whether an attribute does not describe the agent as a service: its version and namespace are not
/// those of a workload. The instance is, because it tells apart the agents that send spans.
fn is_of_host(key: &str) -> bool {
    key == SERVICE_INSTANCE_ID || !key.starts_with("service.")
}

fn put_pair(key: &str, value: &str, out: &mut Vec<u8>) {
    put_length(1, pair_len(key, text_len(value)), out);
    put_text(1, key, out);
    put_length(2, text_len(value), out);
    put_text(1, value, out);
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn workloads_are_bounded() {
        let own = [KeyValue::new(SERVICE_NAME, "hopspan")];
        let own = Resource::builder_empty().with_attributes(own).build();
        let mut resources = Resources::new(&own);
        for number in 0..MAX_WORKLOADS {
            let name: Arc<str> = number.to_string().into();
            assert_eq!(resources.add(&name), Some(&*name));
        }
        assert_eq!(resources.add(&"late".into()), None);
        assert_eq!(resources.add(&"7".into()), Some("7"));
        assert_eq!(resources.get(Some("late")), resources.get(None));
        assert_ne!(resources.get(Some("7")), resources.get(None));
    }
}
