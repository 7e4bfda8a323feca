//! The result of one check: what was found, what the spans lack because of it, and the remedy.

/// What the result means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing is lost.
    Good,
    /// Nothing is lost on most clusters.
    Note,
    /// Something is not seen.
    Missing,
}

/// One check, and one line of the page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Check {
    /// A short name that stays the same between versions.
    pub(super) name: &'static str,
    pub(super) state: State,
    pub(super) found: String,
    /// What is not seen because of the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Check {
    pub(super) fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Good,
            found: found.into(),
            lost: None,
            remedy: None,
        }
    }

    pub(super) fn note(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Note,
            remedy: Some(remedy.into()),
            ..Self::good(name, found)
        }
    }

    pub(super) fn missing(
        name: &'static str,
        found: impl Into<String>,
        lost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Missing,
            lost: Some(lost.into()),
            remedy: Some(remedy.into()),
            ..Self::good(name, found)
        }
    }
}
