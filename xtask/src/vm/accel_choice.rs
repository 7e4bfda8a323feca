//! Chooses between KVM and QEMU's own emulation. In: the user's choice. Out: one that works here,
//! found by booting: /dev/kvm may exist and still not work, for example inside a virtual machine.

use std::fs::File;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::accel::Accel;
use super::guest::Guest;
use super::image::Image;
use crate::progress::note;

/// With KVM a guest boots in two seconds.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);

/// The value of `--accel`.
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

impl AccelChoice {
    /// Boots a guest that exits at once where only a trial shows whether KVM works.
    ///
    /// # Errors
    /// When the trial's guest cannot be prepared.
    pub(super) fn resolve(self, image: &Image) -> Result<Accel> {
        match self {
            Self::Kvm => return Ok(Accel::Kvm),
            Self::Tcg => return Ok(Accel::Tcg),
            Self::Auto if !can_open_kvm() => return Ok(Accel::Tcg),
            Self::Auto => {}
        }
        let guest = Guest::new(image, Accel::Kvm, "trial")?;
        if guest.run("trying KVM", "exit 0", TRIAL_LIMIT).is_ok() {
            return Ok(Accel::Kvm);
        }
        note("KVM does not work here: guests are emulated (--accel tcg skips the trial)");
        Ok(Accel::Tcg)
    }
}

fn can_open_kvm() -> bool {
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    kvm.is_ok()
}
