//! A line of the agent. In: bytes. Out: what happened, or why the line is none of the agent's.

use serde::Deserialize;
use tracer_pipeline::span::Summary;

/// The longest line: a path of 16 KiB in UTF-8 may take six bytes for each.
pub(crate) const MAX_LINE_BYTES: usize = 256 << 10;

/// What a line has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The first line: the agent's node.
    Hello(Hello),
    /// An exchange or failed connect.
    Summary(Box<Summary<'static>>),
    /// The agent has left out so many exchanges here, because this reader was too slow.
    Missed(u64),
    /// The agent has left out so many exchanges without a sampled trace context: beyond its limit.
    LeftOut(u64),
    /// Nothing has happened; the agent is there. Kinds that a newer agent has, too.
    Alive,
}

/// The agent that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Hello {
    /// Its version.
    pub(crate) version: String,
    /// The name of its node.
    pub(crate) node: String,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct Missed {
    exchanges: u64,
}

impl Event {
    /// Reads a line.
    pub(crate) fn of_line(line: &[u8]) -> serde_json::Result<Self> {
        let Kind { kind } = serde_json::from_slice(line)?;
        Ok(match &*kind {
            "hello" => Self::Hello(serde_json::from_slice(line)?),
            "exchange" | "failed_connect" => Self::Summary(serde_json::from_slice(line)?),
            "missed" => Self::Missed(serde_json::from_slice::<Missed>(line)?.exchanges),
            "left_out" => Self::LeftOut(serde_json::from_slice::<Missed>(line)?.exchanges),
            _ => Self::Alive,
        })
    }
}

#[cfg(test)]
pub(crate) const EXCHANGE: &str =
    include_str!("../../tracer-user/src/run/watch/testdata/exchange.json");

/// An exchange for tests.
#[cfg(test)]
pub(crate) fn exchange() -> Summary<'static> {
    serde_json::from_str(EXCHANGE).expect("an exchange")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_events() {
        let check = |line: &str, expected: Option<Event>| {
            assert_eq!(Event::of_line(line.as_bytes()).ok(), expected, "{line}");
        };
        check(EXCHANGE, Some(Event::Summary(Box::new(exchange()))));
        check(r#"{"kind":"missed","exchanges":7}"#, Some(Event::Missed(7)));
        check(
            r#"{"kind":"left_out","exchanges":9}"#,
            Some(Event::LeftOut(9)),
        );
        check(r#"{"kind":"alive"}"#, Some(Event::Alive));
        check(r#"{"kind":"of a newer agent","a":1}"#, Some(Event::Alive));
        check(
            r#"{"kind":"hello","version":"0.1.0","node":"n"}"#,
            Some(Event::Hello(Hello {
                version: "0.1.0".into(),
                node: "n".into(),
            })),
        );
        check(r#"{"kind":"missed"}"#, None);
        check("HTTP", None);
    }
}
