//! Attribute names and values.

use std::{borrow::Cow, sync::Arc};

pub(super) use tracer_semconv::attribute as key;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(Cow<'static, str>),
    /// A string that many spans have.
    Shared(Arc<str>),
    /// A number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub key: &'static str,
    /// The value.
    pub value: Value,
}

impl Attribute {
    /// A string.
    pub fn text(key: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self {
            key,
            value: Value::Text(value.into()),
        }
    }

    /// A string that many spans have.
    pub fn shared(key: &'static str, value: &Arc<str>) -> Self {
        Self {
            key,
            value: Value::Shared(Arc::clone(value)),
        }
    }

    /// A value as text that several spans have.
    pub(super) fn written(key: &'static str, value: &impl ToString) -> Self {
        Self::shared(key, &Arc::from(value.to_string()))
    }

    /// Yes or no.
    pub fn bool(key: &'static str, value: bool) -> Self {
        Self {
            key,
            value: Value::Bool(value),
        }
    }

    /// Nanoseconds.
    pub fn duration(key: &'static str, duration_ns: u64) -> Self {
        Self::int(key, i64::try_from(duration_ns).unwrap_or(i64::MAX))
    }

    /// A number.
    pub fn int(key: &'static str, value: impl Into<i64>) -> Self {
        Self {
            key,
            value: Value::Int(value.into()),
        }
    }
}
