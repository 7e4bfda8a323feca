//! The attributes in the documents against the code. In: docs/spans.md, docs/backends.md, the keys in
//! tracer-semconv, and the sources that set attributes. Out: a failed test for a word that is no
//! attribute, and for an attribute or hop that docs/spans.md leaves out.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{collections::BTreeSet, fs, path::Path};

use tracer_semconv::{
    HopName,
    party::{DESTINATION, Keys, SOURCE},
};

const SPANS: &str = "docs/spans.md";
const BACK_ENDS: &str = "docs/backends.md";
/// hopspan's own keys, and names of events.
const OWN: [&str; 3] = ["attribute", "event", "rpc"];
/// Sources that set attributes of OpenTelemetry's semantic conventions, by the names of their
/// constants.
const CONVENTIONS_IN: [&str; 2] = [
    "tracer-pipeline/src/span",
    "tracer-user/src/export/resource.rs",
];
/// A word that starts so is an attribute, or an event.
const NAMESPACES: [&str; 13] = [
    "container.",
    "destination.",
    "error.",
    "hopspan.",
    "host.",
    "http.",
    "k8s.",
    "network.",
    "rpc.",
    "service.",
    "source.",
    "tcp.",
    "url.",
];
/// The scopes of TraceQL.
const SCOPES: [&str; 2] = ["span.", "resource."];

/// All attributes that spans and their resource may have.
struct Known {
    own: BTreeSet<String>,
    /// Upper case, with `_` for `.`: the names of constants.
    conventions: BTreeSet<String>,
}

impl Known {
    fn read() -> Self {
        let mut own: BTreeSet<String> = OWN
            .iter()
            .flat_map(|module| keys_in(&format!("tracer-semconv/src/{module}.rs")))
            .collect();
        own.extend([&SOURCE, &DESTINATION].into_iter().flat_map(party_keys));
        let sources = CONVENTIONS_IN.map(rust_below).concat();
        let words = sources.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let is_constant = |word: &&str| word.chars().all(|char| !char.is_ascii_lowercase());
        Self {
            own,
            conventions: words.filter(is_constant).map(str::to_owned).collect(),
        }
    }

    /// `word` may be a key, or the beginning of several, as in `hopspan.drop.*`.
    fn has(&self, word: &str) -> bool {
        if word.ends_with('.') {
            return self.own.iter().any(|key| key.starts_with(word));
        }
        let constant = word.replace('.', "_").to_ascii_uppercase();
        self.own.contains(word) || self.conventions.contains(&constant)
    }
}

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// The values of the string constants of a file: `pub const KEY: &str = "value";`.
fn keys_in(path: &str) -> BTreeSet<String> {
    let text = text(path);
    let constants = text.lines().filter(|line| line.starts_with("pub const "));
    let keys: BTreeSet<String> = constants
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    assert!(keys.len() > 2, "no keys in {path}");
    keys
}

/// All of them: a new field does not compile before it is here.
fn party_keys(keys: &Keys) -> Vec<String> {
    let Keys {
        node_name,
        namespace_name,
        pod_name,
        pod_uid,
        container_name,
        container_id,
        deployment_name,
        replica_set_name,
        stateful_set_name,
        daemon_set_name,
        job_name,
        cron_job_name,
    } = *keys;
    let of_pod = [node_name, namespace_name, pod_name, pod_uid];
    let of_container = [container_name, container_id];
    let sets = [replica_set_name, stateful_set_name, daemon_set_name];
    let others = [deployment_name, job_name, cron_job_name];
    let all = [&of_pod[..], &of_container, &sets, &others].concat();
    all.into_iter().map(str::to_owned).collect()
}

/// The text of a file, or of the files in a directory.
fn rust_below(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    if root.join(path).is_file() {
        return text(path);
    }
    let entries = fs::read_dir(root.join(path)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// The words of a text that look like attributes, with their line numbers.
fn attributes_in(text: &str) -> Vec<(usize, &str)> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '.';
    let lines = text.lines().enumerate();
    let words = lines.flat_map(|(index, line)| {
        line.split(move |char| !is_part(char))
            .map(move |word| (index + 1, word))
    });
    let unscoped = words.map(|(line, word)| {
        let scope = SCOPES.iter().find_map(|scope| word.strip_prefix(scope));
        (line, scope.unwrap_or(word))
    });
    // A sentence may end with the name of a namespace.
    let is_key = |word: &str, start: &str| word.len() > start.len() && word.starts_with(start);
    unscoped
        .filter(|(_, word)| NAMESPACES.iter().any(|start| is_key(word, start)))
        .collect()
}

#[test]
fn documented_attributes_exist() {
    let known = Known::read();
    for path in [SPANS, BACK_ENDS] {
        let text = text(path);
        let words = attributes_in(&text);
        assert!(words.len() > 30, "{path}: only {words:?}");
        let unknown: Vec<String> = words
            .into_iter()
            .filter(|(_, word)| !known.has(word))
            .map(|(line, word)| format!("{path}:{line}: {word} is no attribute"))
            .collect();
        assert!(unknown.is_empty(), "\n{}\n", unknown.join("\n"));
    }
}

#[test]
fn every_attribute_and_hop_is_documented() {
    let text = text(SPANS);
    let documented: BTreeSet<&str> = attributes_in(&text)
        .into_iter()
        .map(|(_, word)| word)
        .collect();
    let own = OWN
        .iter()
        .flat_map(|module| keys_in(&format!("tracer-semconv/src/{module}.rs")));
    // The destination has the keys of the source.
    let keys = own.chain(party_keys(&SOURCE));
    let missing: Vec<String> = keys
        .filter(|key| key.contains('.') && !documented.contains(key.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in {SPANS}: {missing:?}");
    for hop in HopName::ALL {
        let row = format!("| `{hop}` |");
        assert!(text.contains(&row), "no row for {hop} in {SPANS}");
    }
}

#[test]
fn words_are_found_and_judged() {
    let text = "`hopspan.shed`, { span.hopspan.half = \"client\" } and `hopspan.drop.*`\nspans.md, host.id";
    let words = ["hopspan.shed", "hopspan.half", "hopspan.drop.", "host.id"];
    let found: Vec<&str> = attributes_in(text).iter().map(|(_, word)| *word).collect();
    assert_eq!(found, words);
    let known = Known::read();
    assert!(words.iter().all(|word| known.has(word)));
    for unknown in ["hopspan.request.hops", "hopspan.shop.", "host.arch"] {
        assert!(!known.has(unknown), "{unknown}");
    }
}
