//! The objects of an overlay, and searches in them.

use serde_json::Value;

/// Objects, as kustomize sends them to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifests(Vec<Value>);

/// A pod template, and the object that has it.
pub(crate) struct Workload<'a> {
    /// `DaemonSet hopspan/hopspan`.
    pub(crate) title: String,
    pub(crate) namespace: &'a str,
    /// The whole object.
    pub(crate) object: &'a Value,
    /// `spec.template.spec`.
    pub(crate) pod: &'a Value,
}

impl Manifests {
    pub(crate) fn new(objects: Value) -> Self {
        match objects {
            Value::Array(objects) => Self(objects),
            other => panic!("not a list of objects: {other}"),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }

    /// In the order of their titles.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by_key(title);
    }

    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// Whether there is an object; `namespace` is empty for those of the cluster.
    pub(crate) fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.of_kind(kind).any(|object| {
            text(&object["metadata"]["name"]) == name
                && text(&object["metadata"]["namespace"]) == namespace
        })
    }

    /// The objects with pod templates.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        let with_pods = |object: &&Value| !object["spec"]["template"]["spec"].is_null();
        self.0.iter().filter(with_pods).map(|object| Workload {
            title: title(object),
            namespace: text(&object["metadata"]["namespace"]),
            object,
            pod: &object["spec"]["template"]["spec"],
        })
    }

    /// Puts a value in place of what is at a pointer (RFC 6901), or adds it to the map there.
    pub(crate) fn change(&mut self, kind: &str, name: &str, pointer: &str, value: Value) {
        let object = self
            .0
            .iter_mut()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("no {kind} {name}"));
        if let Some(place) = object.pointer_mut(pointer) {
            *place = value;
            return;
        }
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with /");
        match object.pointer_mut(parent) {
            Some(Value::Object(map)) => map.insert(key.to_owned(), value),
            _ => panic!("{kind} {name} has no {parent}"),
        };
    }
}

impl Workload<'_> {
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        ["initContainers", "containers"]
            .into_iter()
            .flat_map(|of| list(&self.pod[of]))
    }
}

/// `Kind namespace/name`.
pub(crate) fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let (kind, name) = (text(&object["kind"]), text(&metadata["name"]));
    match text(&metadata["namespace"]) {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// A string, empty where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A list, empty where there is none.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
