//! One thing that was looked at: what was found, what is lost by it, what to do.

/// What it means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// All is well.
    Good,
    /// Nothing is lost here, or nothing that every cluster has.
    Note,
    /// Something is not seen because of it.
    Missing,
}

/// One line of the page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Check {
    /// A short name that does not change.
    pub(super) name: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What is not seen because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<String>,
    /// What to do.
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
