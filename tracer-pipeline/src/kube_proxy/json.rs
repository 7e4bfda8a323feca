//! Rules as JSON, the form in which a recording keeps them. In: [`Rules`]. Out: JSON, and back.
//!
//! The JSON holds what the rules amount to, not the text or messages they were read from: it is small,
//! and the same for every mode of kube-proxy. Each name is listed once; paths refer to it by its index.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::decision::{Answer, Decision, PortalKind, Reason, Refusal};
use super::portal::Portal;
use super::source::Source;
use super::{Endpoint, Rules};

/// JSON that is not what [`Rules::to_json`] writes.
#[derive(Debug, Error)]
pub enum JsonError {
    /// Not JSON, or another shape.
    #[error("kube-proxy's rules in a record are not this version's JSON; record again")]
    Json(#[from] serde_json::Error),
    /// An index without a name.
    #[error("kube-proxy's rules in a record refer to name {0}, which is not listed")]
    NoName(u32),
}

#[derive(Serialize, Deserialize)]
struct Json {
    names: Vec<Arc<str>>,
    paths: Vec<Path>,
    refusals: Vec<Closed>,
}

#[derive(Serialize, Deserialize)]
struct Path {
    at: Portal,
    to: SocketAddr,
    service: u32,
    kind: PortalKind,
    chains: Vec<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    affinity: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    local: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    masquerade: Vec<Source>,
}

#[derive(Serialize, Deserialize)]
struct Closed {
    at: Portal,
    service: u32,
    chains: Vec<u32>,
    answer: Answer,
    reason: Reason,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Rules {
    /// The rules as JSON: the same text for the same rules.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut names = Names::default();
        let mut pairs: Vec<_> = self.paths.iter().collect();
        pairs.sort_unstable_by_key(|(key, _)| *key);
        let paths = pairs.into_iter().flat_map(|((at, to), paths)| {
            let path = |decision| (*at, *to, decision);
            paths.iter().map(path)
        });
        let paths = paths.map(|path| names.path(path)).collect();
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_unstable_by_key(|(portal, _)| *portal);
        let refusals = refusals
            .into_iter()
            .map(|(at, refusal)| names.closed(*at, refusal))
            .collect();
        let json = Json {
            names: names.list,
            paths,
            refusals,
        };
        // Strings, numbers and addresses only: JSON has a form for all of them.
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote. Paths beyond the bound of [`Rules`] are left out.
    ///
    /// # Errors
    ///
    /// When the text is not such JSON.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let Json {
            names,
            paths,
            refusals,
        } = serde_json::from_str(text)?;
        let name = |number: u32| {
            let name = names.get(number as usize).map(Arc::clone);
            name.ok_or(JsonError::NoName(number))
        };
        let all = |numbers: Vec<u32>| numbers.into_iter().map(name).collect::<Result<_, _>>();
        let mut rules = Self::default();
        for path in paths {
            let decision = Decision {
                service: name(path.service)?,
                portal: path.kind,
                chains: all(path.chains)?,
                session_affinity: path.affinity,
                local_endpoints_only: path.local,
                from: path.from,
                masquerade: path.masquerade,
            };
            rules.insert(path.at, path.to, decision);
        }
        for closed in refusals {
            let refusal = Refusal {
                service: name(closed.service)?,
                chains: all(closed.chains)?,
                answer: closed.answer,
                reason: closed.reason,
            };
            rules.refusals.insert(closed.at, refusal);
        }
        Ok(rules)
    }
}

/// The names so far, each once.
#[derive(Default)]
struct Names {
    list: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Names {
    fn number(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // Paths are bounded, and so are their names.
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(Arc::clone(name));
        self.numbers.insert(Arc::clone(name), number);
        number
    }

    fn numbers(&mut self, names: &[Arc<str>]) -> Vec<u32> {
        names.iter().map(|name| self.number(name)).collect()
    }

    fn path(&mut self, (at, to, decision): (Portal, Endpoint, &Decision)) -> Path {
        Path {
            at,
            to: SocketAddr::from(to),
            service: self.number(&decision.service),
            kind: decision.portal,
            chains: self.numbers(&decision.chains),
            affinity: decision.session_affinity,
            local: decision.local_endpoints_only,
            from: decision.from.clone(),
            masquerade: decision.masquerade.clone(),
        }
    }

    fn closed(&mut self, at: Portal, refusal: &Refusal) -> Closed {
        Closed {
            at,
            service: self.number(&refusal.service),
            chains: self.numbers(&refusal.chains),
            answer: refusal.answer,
            reason: refusal.reason,
        }
    }
}
