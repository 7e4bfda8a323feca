//! The modules of one crate and what each takes from the others. In: the crate's source files. Out:
//! edges between modules, and import circles.
//!
//! Test modules are left out: a test may use any stage. A module may use what its own ancestors define,
//! as Rust's privacy suggests; so an edge to an ancestor is no edge. A `pub use` passes a name on: whoever
//! imports that name has an edge to the module that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    source::Source,
    use_tree::{Import, imports},
};

/// A path of modules below the crate's root, such as `http::head`; the root itself is empty.
pub(crate) type Module = Vec<String>;

/// The modules of a crate, each with its imports.
pub(crate) struct Modules(BTreeMap<Module, Vec<Import>>);

impl Modules {
    /// The modules in `sources` below `root`, a crate's source folder such as `xtask/src/`.
    pub(crate) fn of(sources: &[Source], root: &str) -> Self {
        let modules = sources.iter().filter_map(|source| {
            let module = module(source.path.strip_prefix(root)?)?;
            Some((module, imports(without_tests(&source.text))))
        });
        Self(modules.collect())
    }

    /// Each pair of a module and one that it imports from.
    pub(crate) fn edges(&self) -> BTreeSet<(&Module, &Module)> {
        let mut edges = BTreeSet::new();
        for (from, imports) in &self.0 {
            for import in imports.iter().filter(|import| !import.is_reexport) {
                if let Some(to) = self.definer(from, &import.path, MAX_REEXPORTS)
                    && !from.starts_with(to)
                {
                    edges.insert((from, to));
                }
            }
        }
        edges
    }

    /// Sets of modules of which each reaches the others over imports.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let mut reached: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
        for (from, to) in self.edges() {
            reached.entry(from).or_default().insert(to);
        }
        loop {
            let mut grown = false;
            let sources: Vec<&Module> = reached.keys().copied().collect();
            for from in sources {
                let next = reached[from].iter().filter_map(|to| reached.get(to));
                let next: Vec<&Module> = next.flatten().copied().collect();
                let set = reached.entry(from).or_default();
                let before = set.len();
                set.extend(next);
                grown |= set.len() > before;
            }
            if !grown {
                break;
            }
        }
        let reaches =
            |from: &Module, to: &Module| reached.get(from).is_some_and(|set| set.contains(to));
        let mut circles = BTreeSet::new();
        for module in reached.keys().filter(|module| reaches(module, module)) {
            let circle = reached
                .keys()
                .filter(|other| reaches(module, other) && reaches(other, module));
            circles.insert(circle.map(|module| module.join("::")).collect());
        }
        circles.into_iter().collect()
    }

    /// The module that defines what `path` names in the module `from`; `None` for another crate.
    fn definer(&self, from: &Module, path: &[String], reexports_left: usize) -> Option<&Module> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let up = path
                    .iter()
                    .take_while(|segment| *segment == "super")
                    .count();
                (from[..from.len().checked_sub(up)?].to_vec(), &path[up..])
            }
            child => {
                let mut module = from.clone();
                module.push(child.to_owned());
                (self.0.contains_key(&module).then_some(from.clone())?, path)
            }
        };
        while let Some((child, after)) = rest.split_first() {
            at.push(child.clone());
            if !self.0.contains_key(&at) {
                at.pop();
                break;
            }
            rest = after;
        }
        let (at, imports) = self.0.get_key_value(&at)?;
        let passed_on = rest.first().and_then(|name| {
            let mut reexports = imports.iter().filter(|import| import.is_reexport);
            let passed_on = reexports.find(|import| import.name == *name)?;
            self.definer(at, &passed_on.path, reexports_left.checked_sub(1)?)
        });
        Some(passed_on.unwrap_or(at))
    }
}

/// Re-exports followed from one to the next.
const MAX_REEXPORTS: usize = 8;

/// The module of a file; `None` where it is a test, or a program beside the crate.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_suffix(".rs")?;
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    let is_test = |name: &String| name == "tests" || name.ends_with("_tests") || name == "bin";
    if module.iter().any(is_test) {
        return None;
    }
    if module.last().is_some_and(|last| last == "mod")
        || module.len() == 1 && (module[0] == "lib" || module[0] == "main")
    {
        module.pop();
    }
    Some(module)
}

/// Source without the test module at its end.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {");
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> Modules {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        Modules::of(&sources, "src/")
    }

    fn edges(modules: &Modules) -> Vec<String> {
        let edges = modules.edges().into_iter();
        edges
            .map(|(from, to)| format!("{} > {}", from.join("::"), to.join("::")))
            .collect()
    }

    #[test]
    fn an_import_leads_to_the_module_that_defines_the_name() {
        let modules = modules(&[
            ("src/lib.rs", "pub mod flow;\npub mod http;\n"),
            (
                "src/flow/mod.rs",
                "mod event;\npub use event::Event;\nuse event::Kind;\n",
            ),
            ("src/flow/event.rs", "use super::Flow;\npub struct Event;"),
            (
                "src/http.rs",
                "use crate::flow::{Event, Flow};\n#[cfg(test)]\nmod tests {\nuse crate::span::Span;\n}",
            ),
            ("src/http/tests.rs", "use crate::span::Span;"),
            ("src/span.rs", "use std::io;"),
        ]);
        let expected = ["flow > flow::event", "http > flow", "http > flow::event"];
        assert_eq!(edges(&modules), expected);
        assert!(modules.circles().is_empty());
    }

    #[test]
    fn modules_that_import_each_other_are_a_circle() {
        let circle = [
            ("src/a.rs", "use crate::b::B;"),
            ("src/b/mod.rs", "pub use inner::B;\nmod inner;"),
            ("src/b/inner.rs", "use crate::c::C;"),
            ("src/c.rs", "use super::a::A;"),
            ("src/d.rs", "use super::a::A;"),
        ];
        assert_eq!(modules(&circle).circles(), [["a", "b::inner", "c"]]);
    }
}
