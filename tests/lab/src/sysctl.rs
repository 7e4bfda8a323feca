//! Network settings below /proc/sys. All of them belong to the network namespace of the calling
//! thread.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a setting, named by its path below /proc/sys.
pub(crate) fn write(name: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value).with_context(|| format!("write {}", path.display()))
}

/// Enables IPv6 on every device that is made from now on, also where the machine has it disabled.
/// Duplicate address detection, which takes a second, is off: no two devices of a lab have one
/// address.
pub(crate) fn enable_ipv6() -> Result<()> {
    for scope in ["all", "default"] {
        write(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "0")?;
        write(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
    }
    Ok(())
}
