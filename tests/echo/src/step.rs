//! One step of a script, as it is written on the command line: a word, and its arguments. Bytes are
//! written as hexadecimal digits.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use anyhow::{Context, bail, ensure};

/// A step of one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `send HEX`: writes these bytes in one write.
    Send(Vec<u8>),
    /// `fill N`: writes N bytes of a body.
    Fill(u64),
    /// `until HEX`: reads up to and including these bytes.
    Until(Vec<u8>),
    /// `take N`: reads N bytes.
    Take(u64),
    /// `pause N`: waits for N milliseconds.
    Pause(Duration),
    /// `shut`: sends a FIN and goes on reading (shutdown(2), SHUT_WR).
    Shut,
    /// `end`: reads until the other end sends a FIN or resets the connection.
    End,
    /// `reset`: closes the connection with a RST (SO_LINGER of 0 seconds).
    Reset,
    /// `hang`: waits until the process is killed.
    Hang,
    /// `knock ADDRESS N`: tries for N milliseconds to open another connection, and fails when it
    /// opens.
    Knock(SocketAddr, Duration),
}

impl FromStr for Step {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (word, argument) = text.split_once(' ').unwrap_or((text, ""));
        let number = || -> anyhow::Result<u64> {
            let number = argument.parse();
            number.with_context(|| format!("{text:?} has no number"))
        };
        let bytes = || -> anyhow::Result<Vec<u8>> {
            let bytes = bytes(argument).filter(|bytes| !bytes.is_empty());
            bytes.with_context(|| format!("{text:?} has no hexadecimal digits"))
        };
        let step = match word {
            "send" => Self::Send(bytes()?),
            "fill" => Self::Fill(number()?),
            "until" => Self::Until(bytes()?),
            "take" => Self::Take(number()?),
            "pause" => Self::Pause(Duration::from_millis(number()?)),
            "shut" => Self::Shut,
            "end" => Self::End,
            "reset" => Self::Reset,
            "hang" => Self::Hang,
            "knock" => {
                knock(argument).with_context(|| format!("{text:?} has no address and time"))?
            }
            _ => bail!("{text:?} is not a step"),
        };
        let takes_argument = !matches!(step, Self::Shut | Self::End | Self::Reset | Self::Hang);
        ensure!(
            takes_argument || argument.is_empty(),
            "{word:?} takes no argument"
        );
        Ok(step)
    }
}

fn knock(argument: &str) -> Option<Step> {
    let (address, time) = argument.split_once(' ')?;
    let time = Duration::from_millis(time.parse().ok()?);
    Some(Step::Knock(address.parse().ok()?, time))
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_words_with_arguments() {
        let check = |text: &str, expected: Option<Step>| {
            assert_eq!(text.parse::<Step>().ok(), expected, "{text:?}");
        };
        check("send 0d0a", Some(Step::Send(b"\r\n".to_vec())));
        check("until 41", Some(Step::Until(b"A".to_vec())));
        check("take 100", Some(Step::Take(100)));
        check("pause 20", Some(Step::Pause(Duration::from_millis(20))));
        check("shut", Some(Step::Shut));
        check("hang", Some(Step::Hang));
        let address = "[fd00::1]:80".parse().unwrap();
        let knock = Step::Knock(address, Duration::from_millis(20));
        check("knock [fd00::1]:80 20", Some(knock));
        for wrong in [
            "",
            "send",
            "send 0d0",
            "send 0g",
            "fill x",
            "shut 1",
            "wait",
            "knock [fd00::1]:80",
        ] {
            check(wrong, None);
        }
    }
}
