//! One virtual machine, from its start to its end. In: a kernel, a script and a time limit. Out:
//! the script has run to its end as root, with this machine's file system, and its working
//! directory has the files that it wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::accel::Accel;
use super::image::Image;
use super::qemu;
use crate::progress;

/// The path of the working directory in the guest; the same in init.sh.
pub(super) const WORK_DIR: &str = "/run/hopspan-vm";

/// Two processors, because some failures need two. The lab needs a little more than 1 GiB.
const MACHINE: [&str; 4] = ["-smp", "2", "-m", "2048"];

/// The kernel's messages go to the first serial port. A guest that panics ends instead of waiting.
const KERNEL_COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1";

/// A guest that has not been started.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    image: &'a Image,
    accel: Accel,
    work_dir: PathBuf,
}

impl<'a> Guest<'a> {
    /// A guest with an empty working directory of that name.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub(super) fn new(image: &'a Image, accel: Accel, name: &str) -> Result<Self> {
        let work_dir = image.dir().join(name);
        if work_dir.exists() {
            fs::remove_dir_all(&work_dir)
                .with_context(|| format!("remove {}", work_dir.display()))?;
        }
        fs::create_dir_all(&work_dir).with_context(|| format!("create {}", work_dir.display()))?;
        Ok(Self {
            image,
            accel,
            work_dir,
        })
    }

    /// The path of the working directory on this machine.
    pub(super) fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// Boots, runs the script, and waits for the guest's end, as the step `what`.
    ///
    /// # Errors
    /// When the guest does not start, takes too long or ends before the script does, and when the
    /// script fails; with the end of the log that explains it.
    pub(super) fn run(&self, what: &str, script: &str, limit: Duration) -> Result<()> {
        self.write("command.sh", script)?;
        self.write("shown", &format!("{}\n", self.image.target_dir().display()))?;
        let qemu_log = self.work_dir.join("qemu.log");
        progress::run(what, &qemu_log, limit, &mut self.qemu()).with_context(|| {
            format!(
                "run a guest with kernel {}{}",
                self.image.release(),
                self.end_of("kernel.log")
            )
        })?;
        let status = fs::read_to_string(self.work_dir.join("status")).unwrap_or_default();
        match status.trim() {
            "0" => Ok(()),
            "" => bail!(
                "the guest ended before its script did{}",
                self.end_of("kernel.log")
            ),
            status => bail!(
                "the guest's script ended with status {status}{}",
                self.end_of("output")
            ),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.work_dir.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn qemu(&self) -> Command {
        let mut qemu = Command::new(qemu::PROGRAM.0);
        qemu.args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(MACHINE)
            .args(self.accel.args())
            .arg("-serial")
            .arg(format!(
                "file:{}",
                self.work_dir.join("kernel.log").display()
            ))
            .arg("-kernel")
            .arg(self.image.kernel())
            .arg("-initrd")
            .arg(self.image.initramfs())
            .args(["-append", KERNEL_COMMAND_LINE])
            .args(["-virtfs", &share("machine", Path::new("/"), ",readonly=on")])
            .args(["-virtfs", &share("work", &self.work_dir, "")]);
        qemu
    }

    fn end_of(&self, file: &str) -> String {
        let path = self.work_dir.join(file);
        format!("\n{}\n  in {}", progress::tail(&path), path.display())
    }
}

/// A directory for the guest to mount. Root of the guest has the rights of the user who runs QEMU.
fn share(tag: &str, path: &Path, more: &str) -> String {
    format!(
        "local,path={},mount_tag={tag},security_model=none,multidevs=remap{more}",
        escaped(path)
    )
}

/// A comma ends a value unless it is doubled.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_shared_path_is_doubled() {
        assert_eq!(
            share("work", Path::new("/a,b"), ",readonly=on"),
            "local,path=/a,,b,mount_tag=work,security_model=none,multidevs=remap,readonly=on"
        );
    }

    #[test]
    fn init_uses_the_working_directory_of_the_script() {
        assert!(include_str!("init.sh").contains(&format!("\nwork={WORK_DIR}\n")));
    }
}
