//! The protocol, with hand-written requests.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use hopspan_apiserver::{Faults, Gone, Resource, Server, Store, object};
use reqwest::blocking::{Client, Response};
use serde_json::Value;

struct Fixture {
    store: Arc<Store>,
    server: Server,
}

/// In a workspace build reqwest has the agent's TLS feature, and then panics without a default
/// crypto provider, though these tests use no TLS.
fn client() -> Client {
    // An error means that another test has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

impl Fixture {
    fn with_services(count: u16) -> Self {
        let store = Store::shared();
        for number in 0..count {
            store.apply(service(number));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start(listener, Arc::clone(&store)).unwrap();
        Self { store, server }
    }

    fn get(&self, query: &str) -> Response {
        let (address, path) = (self.server.address(), Resource::Services.path());
        let request = client().get(format!("http://{address}{path}?{query}"));
        request.send().unwrap()
    }

    fn json(&self, query: &str) -> Value {
        let text = self.get(query).text().unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn watch(&self, query: &str) -> impl Iterator<Item = Value> {
        let answer = self.get(&format!("watch=true&timeoutSeconds=20&{query}"));
        assert_eq!(answer.status(), 200);
        let lines = BufReader::new(answer).lines();
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    }
}

fn service(number: u16) -> Value {
    let ip = format!("10.96.{}.{}", number / 256, number % 256);
    object::service("shop", &format!("service-{number:03}"), &ip, &[80])
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
fn the_pages_of_a_list_are_of_one_state() {
    let fixture = Fixture::with_services(5);
    let first = fixture.json("limit=2");
    assert_eq!(first["kind"], "ServiceList");
    assert_eq!(names(&first), ["service-000", "service-001"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    // A change after the first page is not in this list.
    fixture.store.apply(service(9));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = fixture.json(&format!("limit=2&continue={token}"));
    assert_eq!(names(&second), ["service-002", "service-003"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = fixture.json(&format!("limit=2&continue={token}"));
    assert_eq!(names(&third), ["service-004"]);
    assert_eq!(third["metadata"]["continue"], Value::Null);
    for page in [&first, &second, &third] {
        assert_eq!(page["metadata"]["resourceVersion"], "6");
    }
    // When the history is compacted, the pages are gone.
    fixture.store.expire();
    let gone = fixture.get(&format!("limit=2&continue={token}"));
    assert_eq!(gone.status(), 410);
    // From the cache the list is whole.
    assert_eq!(names(&fixture.json("limit=2&resourceVersion=0")).len(), 6);
}

#[test]
fn a_watch_sends_the_changes_after_its_version() {
    let fixture = Fixture::with_services(1);
    let mut events = fixture.watch("resourceVersion=2");
    fixture.store.apply(service(1));
    fixture.store.apply(service(1));
    fixture
        .store
        .delete(Resource::Services, "shop", "service-001");
    for (kind, version) in [("ADDED", "3"), ("MODIFIED", "4"), ("DELETED", "5")] {
        let event = events.next().unwrap();
        assert_eq!(event["type"], kind);
        let metadata = &event["object"]["metadata"];
        assert_eq!(metadata["name"], "service-001");
        assert_eq!(metadata["resourceVersion"], version);
    }
    // From version 0: the current state.
    let event = fixture.watch("resourceVersion=0").next().unwrap();
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["object"]["metadata"]["name"], "service-000");
}

#[test]
fn a_selector_filters_the_events_of_a_watch() {
    let fixture = Fixture::with_services(2);
    let mut events = fixture.watch("resourceVersion=3&fieldSelector=metadata.name=service-001");
    fixture.store.apply(service(0));
    fixture.store.apply(service(1));
    let event = events.next().unwrap();
    assert_eq!(event["object"]["metadata"]["name"], "service-001");
    assert_eq!(fixture.get("fieldSelector=spec.type=x").status(), 400);
}

#[test]
fn bookmarks_carry_the_version_of_all_kinds() {
    let fixture = Fixture::with_services(1);
    fixture.store.set_faults(Faults {
        bookmark_every: Duration::from_millis(10),
        ..Faults::default()
    });
    let mut events = fixture.watch("resourceVersion=2&allowWatchBookmarks=true");
    assert_eq!(
        events.next().unwrap()["object"]["metadata"]["resourceVersion"],
        "2"
    );
    fixture
        .store
        .apply(object::endpoint_slice("shop", "web", 80, &[]));
    let mut bookmarks = events.map(|event| {
        assert_eq!(event["type"], "BOOKMARK");
        event["object"]["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    assert!(bookmarks.by_ref().take(100).any(|version| version == "3"));
}

#[test]
fn an_old_version_is_gone_by_event_or_by_status() {
    let fixture = Fixture::with_services(3);
    fixture.store.expire();
    let event = fixture.watch("resourceVersion=2").next().unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(event["object"]["reason"], "Expired");
    fixture.store.set_faults(Faults {
        gone: Gone::Status,
        ..Faults::default()
    });
    assert_eq!(fixture.get("watch=true&resourceVersion=2").status(), 410);
    assert_eq!(fixture.store.requests().gone, 2);
}

#[test]
fn a_cut_breaks_the_connection() {
    let fixture = Fixture::with_services(1);
    let answer = fixture.get("watch=true&resourceVersion=0&timeoutSeconds=20");
    let mut lines = BufReader::new(answer).lines();
    assert!(lines.next().unwrap().is_ok());
    fixture.store.cut();
    assert!(lines.next().unwrap().is_err());
}

#[test]
fn a_watch_ends_when_its_time_is_over() {
    let fixture = Fixture::with_services(1);
    let answer = fixture.get("watch=true&resourceVersion=2&timeoutSeconds=1");
    assert_eq!(BufReader::new(answer).lines().count(), 0);
}

#[test]
fn the_control_interface_changes_objects() {
    let fixture = Fixture::with_services(0);
    let base = format!("http://{}/control", fixture.server.address());
    let client = client();
    let post = |path: &str, body: String| {
        let request = client.post(format!("{base}/{path}")).body(body);
        let request = request.header("content-type", "application/json");
        request.send().unwrap().status().as_u16()
    };
    assert_eq!(post("apply", format!("[{}]", service(1))), 200);
    assert_eq!(post("apply", "{}".to_owned()), 422);
    assert_eq!(names(&fixture.json("")), ["service-001"]);
    assert_eq!(post("delete", service(1).to_string()), 200);
    assert_eq!(post("delete", service(1).to_string()), 404);
    assert!(names(&fixture.json("")).is_empty());
    let requests = client.get(format!("{base}/requests")).send().unwrap();
    let requests: Value = serde_json::from_str(&requests.text().unwrap()).unwrap();
    assert_eq!(requests["lists"]["services"], 2);
}
