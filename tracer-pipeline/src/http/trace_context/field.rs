//! Merges repeated header fields of one name. In: parsed values, in the order sent. Out: [`Field`]
//! with one value. Independent of the format.

/// A field that should be sent at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Field<T> {
    /// Not sent.
    #[default]
    Absent,
    /// Sent, and invalid.
    Malformed,
    /// Sent, and valid.
    Value(T),
}

impl<T> Field<T> {
    /// Takes a value of a field that must not be repeated: a second value makes both invalid.
    pub(super) fn only(&mut self, value: Option<T>) {
        *self = match (&self, value) {
            (Self::Absent, Some(value)) => Self::Value(value),
            _ => Self::Malformed,
        };
    }

    /// Takes a value of a field whose first value counts, even if it is malformed.
    pub(super) fn first(&mut self, value: Option<T>) {
        if matches!(self, Self::Absent) {
            *self = value.map_or(Self::Malformed, Self::Value);
        }
    }

    /// This field if it is valid, else the other field if it was sent.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Value(value), _) => Self::Value(value),
            (this, Self::Absent) => this,
            (_, other) => other,
        }
    }
}

/// Drops optional white space, which is space and tab (RFC 9110 section 5.6.3).
pub(super) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takes_one_value() {
        for (values, expected) in [
            (&[][..], Field::Absent),
            (&[Some(1)], Field::Value(1)),
            (&[None], Field::Malformed),
            (&[Some(1), Some(1)], Field::Malformed),
            (&[Some(1), None, Some(1)], Field::Malformed),
            (&[None, Some(1)], Field::Malformed),
        ] {
            let mut field = Field::default();
            values.iter().for_each(|value| field.only(*value));
            assert_eq!(field, expected, "{values:?}");
        }
    }

    #[test]
    fn first_keeps_the_first_value() {
        for (values, expected) in [
            (&[][..], Field::Absent),
            (&[Some(1), Some(2)], Field::Value(1)),
            (&[Some(1), None], Field::Value(1)),
            (&[None, Some(1)], Field::Malformed),
        ] {
            let mut field = Field::default();
            values.iter().for_each(|value| field.first(*value));
            assert_eq!(field, expected, "{values:?}");
        }
    }

    #[test]
    fn white_space_is_space_and_tab() {
        assert_eq!(trim_ows(b" \t a \tb\t \t"), b"a \tb");
        assert_eq!(trim_ows(b" \t "), b"");
        assert_eq!(trim_ows(b"\na\r"), b"\na\r");
    }
}
