//! Field selectors: `spec.nodeName=node-1,status.phase!=Succeeded`.

use serde_json::Value;

use crate::{resource::Resource, status::Status};

/// Fields by which pods can be selected, as far as tests do so
/// (`k8s.io/kubernetes/pkg/apis/core/v1`, `AddFieldLabelConversionsForPod`).
const POD_FIELDS: [&str; 4] = [
    "spec.nodeName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
];
/// Fields by which every kind can be selected.
const ANY_FIELDS: [&str; 2] = ["metadata.name", "metadata.namespace"];

/// Conditions, all of which an object must meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    pointer: String,
    value: String,
    is_equal: bool,
}

impl Selector {
    /// Parses the parameter `fieldSelector`.
    ///
    /// # Errors
    /// When a term is malformed, or its field cannot be selected by.
    pub(crate) fn parse(resource: Resource, text: &str) -> Result<Self, Status> {
        let terms = text.split(',').filter(|term| !term.is_empty());
        let parse = |term: &str| {
            let (field, value, is_equal) = if let Some((field, value)) = term.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = term.split_once('=') {
                (field, value.trim_start_matches('='), true)
            } else {
                return Err(Status::bad_request(format!("invalid selector: {text:?}")));
            };
            let of_pods = resource == Resource::Pods && POD_FIELDS.contains(&field);
            if !of_pods && !ANY_FIELDS.contains(&field) {
                let message = format!("field label not supported: {field}");
                return Err(Status::bad_request(message));
            }
            Ok(Term {
                pointer: format!("/{}", field.replace('.', "/")),
                value: value.to_owned(),
                is_equal,
            })
        };
        Ok(Self {
            terms: terms.map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// Whether an object meets the conditions.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| {
            let found = match object.pointer(&term.pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(value)) => value.to_string(),
                _ => String::new(),
            };
            (found == term.value) == term.is_equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_select_or_are_refused() {
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n1", "hostNetwork": true}});
        for (text, expected) in [
            ("", Some(true)),
            ("spec.nodeName=n1", Some(true)),
            ("spec.nodeName==n1,metadata.name=a", Some(true)),
            ("spec.nodeName!=n1", Some(false)),
            ("spec.hostNetwork=true", Some(true)),
            ("status.podIP=10.0.0.1", Some(false)),
            ("spec.containers=x", None),
            ("spec.nodeName", None),
        ] {
            let selector = Selector::parse(Resource::Pods, text);
            let found = selector.ok().map(|selector| selector.matches(&pod));
            assert_eq!(found, expected, "{text}");
        }
        assert!(Selector::parse(Resource::Services, "spec.nodeName=n1").is_err());
    }
}
