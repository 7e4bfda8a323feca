//! QEMU on this machine. In: PATH. Out: the emulator's name, and its package installed.

use anyhow::Result;

use crate::setup::apt::{Apt, Program};
use crate::sudo::Privilege;
use crate::workspace::{Workspace, has_program};

/// The emulator, and Debian's package of it.
pub(super) const PROGRAM: Program = ("qemu-system-x86_64", "qemu-system-x86");

/// Installs QEMU with apt, unless it is on PATH.
///
/// # Errors
/// Without apt or root, and when apt fails.
pub(super) fn install(workspace: &Workspace) -> Result<()> {
    if has_program(PROGRAM.0) {
        return Ok(());
    }
    let privilege = Privilege::obtain("to install QEMU");
    Apt::new(workspace, &privilege).install_programs(&[PROGRAM], "QEMU")
}
