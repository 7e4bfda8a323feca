//! What one end of a connection does, step by step, in the words of `echo play`.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

/// What one end does next, as `echo play` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step(String);

/// Writes these bytes, at once.
pub fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step(format!("send {}", hex(bytes.as_ref())))
}

/// Writes so many bytes of a body.
pub fn fill(bytes: u64) -> Step {
    Step(format!("fill {bytes}"))
}

/// Reads up to and with these bytes.
pub fn until(bytes: impl AsRef<[u8]>) -> Step {
    Step(format!("until {}", hex(bytes.as_ref())))
}

/// Reads so many bytes.
pub fn take(bytes: u64) -> Step {
    Step(format!("take {bytes}"))
}

/// Does nothing for so long.
pub fn pause(time: Duration) -> Step {
    Step(format!("pause {}", time.as_millis()))
}

/// Closes the sending side of the connection, and goes on reading.
pub fn shut() -> Step {
    Step("shut".to_owned())
}

/// Reads until the other end sends no more, or resets the connection.
pub fn end() -> Step {
    Step("end".to_owned())
}

/// Closes the connection with a RST. The last step: every other last step is followed by a FIN.
pub fn reset() -> Step {
    Step("reset".to_owned())
}

/// Does nothing until it is killed.
pub fn hang() -> Step {
    Step("hang".to_owned())
}

/// Tries for so long to open another connection, to an address that does not answer.
pub fn knock(address: SocketAddr, patience: Duration) -> Step {
    Step(format!("knock {address} {}", patience.as_millis()))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Step {
    /// As `echo play` takes it.
    pub fn as_argument(&self) -> &str {
        &self.0
    }
}
