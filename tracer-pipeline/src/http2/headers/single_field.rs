//! A field that must be sent once. In: each time it is sent. Out: its meaning, if there is just
//! one.

/// How often a field was sent, and what it says.
#[derive(Debug, Default)]
pub(super) enum SingleField<T> {
    #[default]
    Never,
    /// `None` when its value is malformed or unknown.
    Once(Option<T>),
    /// Which makes the message malformed (RFC 9113 section 8.3); neither is believed.
    Again,
}

impl<T> SingleField<T> {
    /// Takes the field; `read` is asked for the meaning of the first only.
    pub(super) fn take(&mut self, read: impl FnOnce() -> Option<T>) {
        *self = match self {
            Self::Never => Self::Once(read()),
            Self::Once(_) | Self::Again => Self::Again,
        };
    }

    pub(super) fn seen(&self) -> bool {
        !matches!(self, Self::Never)
    }

    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Once(value) => value.as_ref(),
            Self::Never | Self::Again => None,
        }
    }

    pub(super) fn into_value(self) -> Option<T> {
        match self {
            Self::Once(value) => value,
            Self::Never | Self::Again => None,
        }
    }
}
