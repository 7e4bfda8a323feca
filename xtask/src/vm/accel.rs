//! What runs a guest: KVM, or QEMU's own emulation. In: the user's choice. Out: one that works here,
//! found by booting: /dev/kvm may be there and still not work, as inside of some virtual machines.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::guest::Guest;
use super::image::Image;
use crate::progress::note;

/// KVM has a guest up in two seconds.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);

/// What runs a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accel {
    Kvm,
    Tcg,
}

impl Accel {
    /// QEMU's arguments.
    pub(super) fn args(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

/// What the user wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum AccelChoice {
    /// KVM where it works, else emulation
    #[default]
    Auto,
    /// KVM
    Kvm,
    /// Emulation
    Tcg,
}

/// Chooses; tries KVM with a guest that does nothing where it has to be tried.
///
/// # Errors
/// When the trial cannot be made at all.
pub(super) fn choose(choice: AccelChoice, image: &Image) -> Result<Accel> {
    match choice {
        AccelChoice::Kvm => Ok(Accel::Kvm),
        AccelChoice::Tcg => Ok(Accel::Tcg),
        AccelChoice::Auto if !can_open_kvm() => Ok(Accel::Tcg),
        AccelChoice::Auto => {
            let guest = Guest::new(image, Accel::Kvm, "trial")?;
            match guest.run("trying KVM", "exit 0", TRIAL_LIMIT) {
                Ok(()) => Ok(Accel::Kvm),
                Err(_) => {
                    note(
                        "KVM does not work here: guests are emulated (--accel tcg skips the trial)",
                    );
                    Ok(Accel::Tcg)
                }
            }
        }
    }
}

fn can_open_kvm() -> bool {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok()
}
