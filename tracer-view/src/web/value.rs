//! Attributes of any type to text. In: OTLP attributes, which are untrusted. Out: keys and values,
//! bounded. Pure.

use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::model::Attribute;

/// Attributes, events and links of one span beyond these are left out.
pub(super) const MOST_PARTS: usize = 256;

/// Characters of one text; longer ones are cut.
const MOST_CHARACTERS: usize = 4_096;

/// Values within values beyond this depth are left out.
const MOST_DEPTH: usize = 4;

/// By key.
pub(super) fn attributes(attributes: &[KeyValue]) -> Vec<Attribute> {
    let all = attributes.iter().take(MOST_PARTS).map(|attribute| {
        let mut text = String::new();
        write(attribute.value.as_ref(), MOST_DEPTH, &mut text);
        (cut(&attribute.key), cut(&text))
    });
    let mut all: Vec<Attribute> = all.collect();
    all.sort();
    all
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn write(value: Option<&AnyValue>, depth: usize, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value.and_then(|value| value.value.as_ref()) {
        _ if depth == 0 || text.len() > MOST_CHARACTERS * 4 => write!(text, "…"),
        Some(Value::StringValue(value)) => write!(text, "{value}"),
        Some(Value::BoolValue(value)) => write!(text, "{value}"),
        Some(Value::IntValue(value)) => write!(text, "{value}"),
        Some(Value::DoubleValue(value)) => write!(text, "{value}"),
        Some(Value::BytesValue(value)) => write!(text, "{} bytes", value.len()),
        Some(Value::ArrayValue(array)) => {
            text.push('[');
            for (at, value) in array.values.iter().take(MOST_PARTS).enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                write(Some(value), depth - 1, text);
            }
            write!(text, "]")
        }
        Some(Value::KvlistValue(list)) => {
            text.push('{');
            for (at, pair) in list.values.iter().take(MOST_PARTS).enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                text.push_str(&pair.key);
                text.push('=');
                write(pair.value.as_ref(), depth - 1, text);
            }
            write!(text, "}}")
        }
        _ => Ok(()),
    };
}
