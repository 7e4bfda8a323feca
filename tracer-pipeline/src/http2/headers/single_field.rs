//! A field that must not be repeated. In: each occurrence. Out: its value, if there is just one.

/// The occurrences of a field, and its value.
#[derive(Debug, Default)]
pub(super) enum SingleField<T> {
    #[default]
    Never,
    /// `None` when the value is malformed or unknown.
    Once(Option<T>),
    /// Repeated, which makes the message malformed (RFC 9113 section 8.3): no value is used.
    Again,
}

impl<T> SingleField<T> {
    /// Takes an occurrence; calls `read` for the value of the first only.
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
