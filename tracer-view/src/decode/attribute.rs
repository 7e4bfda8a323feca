//! Reads OTLP attributes. A value of another type than the reader's counts as missing.

use std::str::FromStr;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use crate::text::Text;

pub(super) fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|kv| kv.key == key)?;
    found
        .value
        .as_ref()
        .and_then(|AnyValue { value }| value.as_ref())
}

pub(super) fn string<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// `None` also for a value that the enum does not have.
pub(super) fn parsed<T: FromStr>(attributes: &[KeyValue], key: &str) -> Option<T> {
    string(attributes, key)?.parse().ok()
}

pub(super) fn text(attributes: &[KeyValue], key: &str) -> Option<Text> {
    string(attributes, key)
        .filter(|s| !s.is_empty())
        .map(Text::clean)
}

pub(super) fn integer(attributes: &[KeyValue], key: &str) -> Option<i64> {
    match value(attributes, key)? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}
